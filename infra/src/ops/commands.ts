import { integer, option, text, type Options } from '@flash-sale/shared/platform/process/command-line.ts';
import { WRITTEN_STATUSES } from '@flash-sale/shared/order/order-list-table.ts';
import { PAYMENT_PROBLEMS } from '@flash-sale/shared/payment/payment-problems.ts';
import type {
  Denied,
  Job,
  OperatorAction,
  Order,
  OrderEvents,
  Page,
  ProblemPayment,
  Sale,
  Stats,
} from '@flash-sale/web/operator-types';
import type { Call } from './api.ts';
import { ID_MAX, SALE, UNITS, USER, ORDER_NO, LIMIT, PAGE, WHO, checkWho, readTimeToCome, oneOf } from './arguments.ts';
import { command, more, path, queryOf, saleAsked, shortTime, type Command, type Typed } from './command.ts';
import { PRODUCT_COMMANDS } from './product-commands.ts';
import { fields, table, textOf } from './table.ts';

/** A command for one action on one sale. */
const onSale = (name: string, summary: string, question?: (call: Call, sale: string) => Promise<string>) =>
  command({
    name,
    args: [SALE],
    summary,
    call: (call, { args: [sale] }) => call<object>('POST', `products/${path(sale!)}/${name}`),
    ...(question && { question: (call: Call, { args: [sale] }: Typed<Options>) => question(call, sale!) }),
    show: fields,
  });

const DEAD_PAGES_MAX = 10;

/** The number of dead order events, in words. A large number is not counted completely. */
async function countDead(call: Call): Promise<string> {
  let count = 0;
  let cursor: string | null = null;
  for (let page = 0; page < DEAD_PAGES_MAX; page += 1) {
    const query = queryOf({ state: 'dead', limit: 100, cursor: cursor ?? undefined });
    const answer: Page<OrderEvents> = await call('GET', `order-events${query}`);
    count += answer.items.length;
    cursor = answer.next_cursor;
    if (cursor === null) return String(count);
  }
  return `more than ${count}`;
}

export const COMMANDS: readonly Command[] = [
  command({
    name: 'sales',
    summary: 'sales with their live figures, newest first',
    options: PAGE,
    call: (call, { values }) => call<Page<Sale>>('GET', `products${queryOf(values)}`),
    show: ({ items, next_cursor: nextCursor }) =>
      table(items, [
        ['sale', ({ id }) => id],
        ['name', ({ name }) => name, 'cut'],
        ['status', ({ status }) => status],
        ['units', ({ seckill_stock: seckillStock }) => seckillStock],
        ['available', ({ available }) => available],
        ['held', ({ held }) => held],
        ['backlog', ({ backlog }) => backlog],
        ['sold', ({ sold }) => sold],
        ['start', ({ start_time: startTime }) => shortTime(startTime)],
        ['end', ({ end_time: endTime }) => shortTime(endTime)],
      ]) + more(nextCursor),
  }),
  command({
    name: 'stats',
    args: [SALE],
    summary: 'statistics of a sale: buys by outcome, orders, revenue, time to the ledger',
    call: (call, { args: [sale] }) => call<Stats>('GET', `products/${path(sale!)}/stats`),
    // A line for each second would hide the rest. `--json` prints them.
    show: ({ orders_per_second: ordersPerSecond, ...sums }) =>
      fields({ ...sums, orders_per_second_max: Math.max(0, ...ordersPerSecond.map(({ orders }) => orders)) }),
  }),
  ...PRODUCT_COMMANDS,
  onSale('pause', 'pause a sale, in every process at once'),
  onSale('resume', 'resume a paused sale'),
  onSale('end', 'end a sale now; this is final', async (call, id) => {
    const { title, sale } = await saleAsked(call, id);
    return `This ends ${title}, with ${sale.available ?? 'an unknown number of'} of ${sale.seckill_stock} units not sold.`;
  }),
  command({
    name: 'top-up',
    args: [SALE, UNITS],
    summary: 'raise the units of a sale to a new total',
    options: { stock: integer('<n>', 'also raise the ordinary stock of the shop to this', 1, ID_MAX) },
    async question(call, { args: [id, units] }) {
      const { title, sale } = await saleAsked(call, id!);
      return `This raises ${title} from ${sale.seckill_stock} to ${units} units in total.`;
    },
    call: (call, { args: [sale, units], values: { stock } }) =>
      call<object>('POST', `products/${path(sale!)}/top-up`, { seckill_stock: Number(units), stock }),
    show: fields,
  }),
  onSale('rebuild', 'rebuild a sale in Redis from the ledger'),
  onSale('audit', 'compare a sale in Redis with the ledger, entry by entry'),
  onSale('repair', 'audit a sale, and repair it if it differs from the ledger'),
  command({
    name: 'jobs',
    summary: 'waiting order jobs with their errors; failed jobs first',
    options: { limit: LIMIT },
    call: (call, { values }) => call<{ counts: object; items: readonly Job[] }>('GET', `jobs${queryOf(values)}`),
    show: ({ counts, items }) => {
      const sums = Object.entries(counts).map(([state, count]) => `${state} ${count}`);
      const list = table(items, [
        ['job', ({ job_id: jobId }) => jobId],
        ['state', ({ state }) => state],
        ['sale', ({ sale_id: saleId }) => saleId],
        ['orders', ({ orders }) => orders],
        ['attempts', ({ attempts }) => attempts],
        ['added', ({ added_at: addedAt }) => shortTime(addedAt)],
        ['error', ({ error }) => error, 'cut'],
      ]);
      return `${sums.join(', ')}\n${list}`;
    },
  }),
  command({
    name: 'order',
    args: [ORDER_NO],
    summary: 'show an order with its history and its payments',
    call: (call, { args: [orderNo] }) => call<object>('GET', `orders/${path(orderNo!)}`),
    show: fields,
  }),
  command({
    name: 'orders',
    summary: 'orders in the ledger, newest first',
    options: {
      ...PAGE,
      sale: integer('<sale>', 'only orders of this sale', 1, ID_MAX),
      user: text('<id>', 'only orders of this shopper'),
      status: option('<status>', `only these: ${WRITTEN_STATUSES.join(', ')}`, oneOf(...WRITTEN_STATUSES)),
    },
    call: (call, { values: { sale, user, ...values } }) =>
      call<Page<Order>>('GET', `orders${queryOf({ product_id: sale, user_id: user, ...values })}`),
    show: ({ items, next_cursor: nextCursor }) =>
      table(items, [
        ['order', ({ order_no: orderNo }) => orderNo],
        ['status', ({ status }) => status],
        ['shopper', ({ user_id: userId }) => userId, 'cut'],
        ['units', ({ quantity }) => quantity],
        ['total', ({ total }) => total],
        ['created', ({ created_at: createdAt }) => shortTime(createdAt)],
        ['reason', ({ reason }) => reason ?? null],
      ]) + more(nextCursor),
  }),
  command({
    name: 'refund',
    args: [ORDER_NO],
    summary: 'refund a paid order; its units go back on sale',
    async question(call, { args: [orderNo] }) {
      const { total, user_id: userId, status } = await call<Order>('GET', `orders/${path(orderNo!)}`);
      return `This refunds order ${orderNo} of ${textOf(userId)} (${total}, ${status}). Its units go back on sale.`;
    },
    call: (call, { args: [orderNo] }) => call<object>('POST', `orders/${path(orderNo!)}/refund`),
    show: fields,
  }),
  command({
    name: 'payments',
    summary: 'payments with a problem, oldest first: overdue, of a wrong amount, or failing at the provider',
    options: {
      ...PAGE,
      state: option('<state>', `only these: ${PAYMENT_PROBLEMS.join(', ')}`, oneOf(...PAYMENT_PROBLEMS)),
    },
    call: (call, { values }) => call<Page<ProblemPayment>>('GET', `payments${queryOf(values)}`),
    show: ({ items, next_cursor: nextCursor }) =>
      table(items, [
        ['order', ({ order_no: orderNo }) => orderNo],
        ['problem', ({ problems }) => problems.join(', ')],
        ['status', ({ status }) => status],
        ['amount', ({ amount }) => amount],
        ['', ({ currency }) => currency],
        ['since', ({ updated_at: updatedAt }) => shortTime(updatedAt)],
        ['attempts', ({ attempts }) => attempts],
        ['next attempt', ({ next_attempt_at: next }) => next && shortTime(next)],
        [
          'remark',
          ({ note, last_error: lastError }) => [note, lastError].filter((part) => part !== null).join('; '),
          'cut',
        ],
      ]) + more(nextCursor),
  }),
  command({
    name: 'denied',
    summary: 'the deny list: shoppers and addresses',
    options: PAGE,
    call: (call, { values }) => call<Page<Denied>>('GET', `deny-list${queryOf(values)}`),
    show: ({ items, next_cursor: nextCursor }) =>
      table(items, [
        ['user', ({ user_id: userId }) => userId ?? null, 'cut'],
        ['address', ({ address }) => address ?? null],
        ['reason', ({ reason }) => reason, 'cut'],
        ['until', ({ expires_at: expiresAt }) => (expiresAt === null ? 'no end' : shortTime(expiresAt))],
        ['since', ({ created_at: createdAt }) => shortTime(createdAt)],
      ]) + more(nextCursor),
  }),
  command({
    name: 'deny',
    summary: 'deny a shopper, an address or a CIDR',
    options: {
      ...WHO,
      reason: text('<text>', 'the reason, shown in the list'),
      until: option('<time>', 'the end of the entry (default: no end)', readTimeToCome),
    },
    check: checkWho,
    call: (call, { values: { user, address, reason, until } }) =>
      call<object>('POST', 'deny-list', { user_id: user, address, reason, expires_at: until }),
    show: fields,
  }),
  command({
    name: 'allow',
    summary: 'remove a shopper, an address or a CIDR from the deny list',
    options: WHO,
    check: checkWho,
    call: (call, { values: { user, address } }) =>
      call<object>('DELETE', `deny-list${queryOf({ user_id: user, address })}`),
    show: () => 'allowed',
  }),
  command({
    name: 'rotate-secret',
    summary: 'create a new secret for seckill tokens; tokens of the old one stay valid',
    call: (call) => call<object>('POST', 'token-secrets/rotate'),
    show: fields,
  }),
  command({
    name: 'events',
    summary: 'order events that are not delivered, oldest first',
    options: {
      ...PAGE,
      state: option('<state>', 'dead: only events that the service has stopped trying to deliver', oneOf('dead')),
    },
    call: (call, { values }) => call<Page<OrderEvents>>('GET', `order-events${queryOf(values)}`),
    show: ({ items, next_cursor: nextCursor }) =>
      table(items, [
        ['id', ({ id }) => id],
        ['time', ({ time }) => shortTime(time)],
        ['sale', ({ product_id: productId }) => productId],
        ['status', ({ status }) => status],
        ['orders', ({ orders }) => orders],
        ['attempts', ({ attempts }) => attempts],
        [
          'next attempt',
          ({ dead_at: deadAt, next_attempt_at: next }) => (deadAt === null ? next && shortTime(next) : 'dead'),
        ],
        ['error', ({ last_error: lastError }) => lastError, 'cut'],
      ]) + more(nextCursor),
  }),
  command({
    name: 'events-retry',
    summary: 'deliver all dead order events again',
    call: (call) => call<object>('POST', 'order-events/retry'),
    show: fields,
  }),
  command({
    name: 'events-discard',
    summary: 'discard all dead order events; this is final',
    question: async (call) =>
      `This discards ${await countDead(call)} dead order events. Their receiver will never get them.`,
    call: (call) => call<object>('POST', 'order-events/discard'),
    show: fields,
  }),
  command({
    name: 'export',
    args: [USER],
    summary: 'export the data of a shopper as JSON',
    options: PAGE,
    call: (call, { args: [user], values }) => call<object>('GET', `shoppers/${path(user!)}/export${queryOf(values)}`),
    // For the shopper, who gets it unchanged.
    show: (answer) => JSON.stringify(answer, null, 2),
  }),
  command({
    name: 'erase',
    args: [USER],
    summary: 'erase the identity of a shopper; orders and sums stay under a pseudonym',
    question: async (_, { args: [user] }) =>
      `This erases the shopper ${textOf(user)}. Their orders stay under a pseudonym.`,
    call: (call, { args: [user] }) => call<object>('POST', `shoppers/${path(user!)}/erase`),
    show: fields,
  }),
  command({
    name: 'actions',
    summary: 'changes made by operators, newest first',
    options: PAGE,
    call: (call, { values }) => call<Page<OperatorAction>>('GET', `actions${queryOf(values)}`),
    show: ({ items, next_cursor: nextCursor }) =>
      table(items, [
        ['id', ({ id }) => id],
        ['time', ({ time }) => shortTime(time)],
        ['operator', ({ operator }) => operator, 'cut'],
        ['role', ({ role }) => role],
        ['action', ({ action }) => action],
        ['subject', ({ subject }) => subject, 'cut'],
        ['detail', ({ detail }) => JSON.stringify(detail), 'cut'],
      ]) + more(nextCursor),
  }),
];
