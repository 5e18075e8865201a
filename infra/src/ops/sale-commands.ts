import { integer, type Options } from '@flash-sale/shared/platform/process/command-line.ts';
import type { Page, Sale, Stats } from '@flash-sale/web/operator-types';
import type { Call } from './api.ts';
import { ID_MAX, PAGE, SALE, UNITS } from './arguments.ts';
import { command, more, path, queryOf, saleAsked, shortTime, type Command, type Typed } from './command.ts';
import { PRODUCT_COMMANDS } from './product-commands.ts';
import { fields, table } from './table.ts';

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

/** Commands for sales. */
export const SALE_COMMANDS: readonly Command[] = [
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
];
