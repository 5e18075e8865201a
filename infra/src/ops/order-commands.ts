import { integer, option, text } from '@flash-sale/shared/platform/process/command-line.ts';
import { WRITTEN_STATUSES } from '@flash-sale/shared/order/order.ts';
import { PAYMENT_PROBLEMS } from '@flash-sale/shared/payment/payment.ts';
import type { Job, Order, Page, ProblemPayment } from '@flash-sale/web/operator-types';
import { ID_MAX, LIMIT, oneOf, ORDER_NO, PAGE } from './arguments.ts';
import { command, more, path, queryOf, shortTime, type Command } from './command.ts';
import { fields, table, textOf } from './table.ts';

/** Commands for orders, their jobs and their payments. */
export const ORDER_COMMANDS: readonly Command[] = [
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
];
