import type { Call } from './api.ts';
import { fields, table } from './table.ts';

/** What was typed beside the command. */
export interface Typed {
  readonly args: readonly string[];
  readonly limit: string | undefined;
  readonly cursor: string | undefined;
  readonly stock: string | undefined;
  readonly user: string | undefined;
  readonly address: string | undefined;
  readonly reason: string | undefined;
  readonly until: string | undefined;
  readonly state: string | undefined;
}

/** One command of `npm run ops`: a call, and how its answer is shown. */
export interface Command<Answer> {
  readonly name: string;
  /** Names of what has to be typed after it. */
  readonly args: readonly string[];
  readonly summary: string;
  /** Cannot be taken back, so that it asks for `--yes`. */
  readonly isFinal?: boolean;
  readonly call: (call: Call, typed: Typed) => Promise<Answer>;
  readonly show: (answer: Answer) => string;
}

interface Sale {
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly seckill_stock: number;
  readonly available: number | null;
  readonly owners: number | null;
  readonly backlog: number | null;
  readonly sold: number;
  readonly start_time: string;
  readonly end_time: string;
}

interface Job {
  readonly job_id: string;
  readonly state: string;
  readonly sale_id: number;
  readonly orders: number;
  readonly attempts: number;
  readonly added_at: string;
  readonly error: string | null;
}

interface Action {
  readonly id: number;
  readonly time: string;
  readonly operator: string;
  readonly role: string;
  readonly action: string;
  readonly subject: string;
  readonly detail: unknown;
}

interface Denied {
  readonly user_id?: string;
  readonly address?: string;
  readonly reason: string | null;
  readonly expires_at: string | null;
  readonly created_at: string;
}

interface OrderEvents {
  readonly id: number;
  readonly product_id: number;
  readonly status: string;
  readonly orders: number;
  readonly time: string;
  readonly attempts: number;
  readonly last_error: string | null;
  readonly next_attempt_at: string | null;
  readonly dead_at: string | null;
}

interface Page<Item> {
  readonly items: readonly Item[];
  readonly next_cursor: string | null;
}

/** Inferred per command, then kept as one list. */
const command = <Answer>(one: Command<Answer>): Command<never> => one as unknown as Command<never>;

/** What was typed of these, as a query. */
function queryOf(values: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(values).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}
const page = ({ limit, cursor }: Typed): string => queryOf({ limit, cursor });
const more = (next_cursor: string | null): string => (next_cursor === null ? '' : `\nmore: --cursor ${next_cursor}`);
const path = (text: string): string => encodeURIComponent(text);
/** Without its milliseconds, which say nothing to somebody who looks at a list. */
const shortTime = (time: string): string => time.replace(/\.\d+Z$/, 'Z');

/** A command that does one thing to one sale. */
const onSale = (name: string, summary: string, isFinal = false) =>
  command({
    name,
    args: ['sale'],
    summary,
    isFinal,
    call: (call, { args: [sale] }) => call<object>('POST', `products/${path(sale!)}/${name}`),
    show: fields,
  });

export const COMMANDS: readonly Command<never>[] = [
  command({
    name: 'sales',
    args: [],
    summary: 'sales with their live figures, newest first',
    call: (call, typed) => call<Page<Sale>>('GET', `products${page(typed)}`),
    show: ({ items, next_cursor }) =>
      table(items, [
        ['sale', ({ id }) => id],
        ['name', ({ name }) => name],
        ['status', ({ status }) => status],
        ['units', ({ seckill_stock }) => seckill_stock],
        ['available', ({ available }) => available],
        ['owners', ({ owners }) => owners],
        ['backlog', ({ backlog }) => backlog],
        ['sold', ({ sold }) => sold],
        ['start', ({ start_time }) => shortTime(start_time)],
        ['end', ({ end_time }) => shortTime(end_time)],
      ]) + more(next_cursor),
  }),
  command({
    name: 'stats',
    args: ['sale'],
    summary: 'how a sale goes: buys by outcome, orders, revenue, time to the ledger',
    call: (call, { args: [sale] }) =>
      call<{ orders_per_second: { orders: number }[] }>('GET', `products/${path(sale!)}/stats`),
    // A line for each second would hide the rest; --json has them.
    show: ({ orders_per_second, ...sums }) =>
      fields({ ...sums, orders_per_second_max: Math.max(0, ...orders_per_second.map(({ orders }) => orders)) }),
  }),
  onSale('pause', 'stop selling for now, in every process at once'),
  onSale('resume', 'go on selling'),
  onSale('end', 'end a sale now, for good', true),
  command({
    name: 'top-up',
    args: ['sale', 'units'],
    summary: 'raise a sale to so many units in all; --stock raises what the shop has',
    call: (call, { args: [sale, units], stock }) =>
      call<object>('POST', `products/${path(sale!)}/top-up`, {
        seckill_stock: Number(units),
        ...(stock === undefined ? {} : { stock: Number(stock) }),
      }),
    show: fields,
  }),
  onSale('rebuild', 'load a sale into Redis anew, from the ledger'),
  onSale('audit', 'compare a sale in Redis with the ledger, entry by entry'),
  onSale('repair', 'audit a sale, and mend it where it drifts'),
  command({
    name: 'jobs',
    args: [],
    summary: 'order jobs that wait, first those that failed before, with their errors',
    call: (call, { limit }) => call<{ counts: object; items: readonly Job[] }>('GET', `jobs${queryOf({ limit })}`),
    show: ({ counts, items }) => {
      const sums = Object.entries(counts).map(([state, count]) => `${state} ${count}`);
      const list = table(items, [
        ['job', ({ job_id }) => job_id],
        ['state', ({ state }) => state],
        ['sale', ({ sale_id }) => sale_id],
        ['orders', ({ orders }) => orders],
        ['attempts', ({ attempts }) => attempts],
        ['added', ({ added_at }) => shortTime(added_at)],
        ['error', ({ error }) => error],
      ]);
      return `${sums.join(', ')}\n${list}`;
    },
  }),
  command({
    name: 'order',
    args: ['order number'],
    summary: 'an order with its history and its payments',
    call: (call, { args: [order_no] }) => call<object>('GET', `orders/${path(order_no!)}`),
    show: fields,
  }),
  command({
    name: 'refund',
    args: ['order number'],
    summary: 'refund a paid order; its unit goes back on sale',
    isFinal: true,
    call: (call, { args: [order_no] }) => call<object>('POST', `orders/${path(order_no!)}/refund`),
    show: fields,
  }),
  command({
    name: 'denied',
    args: [],
    summary: 'who is refused: shoppers and addresses',
    call: (call, typed) => call<Page<Denied>>('GET', `deny-list${page(typed)}`),
    show: ({ items, next_cursor }) =>
      table(items, [
        ['user', ({ user_id }) => user_id ?? null],
        ['address', ({ address }) => address ?? null],
        ['reason', ({ reason }) => reason],
        ['until', ({ expires_at }) => (expires_at === null ? 'for ever' : shortTime(expires_at))],
        ['since', ({ created_at }) => shortTime(created_at)],
      ]) + more(next_cursor),
  }),
  command({
    name: 'deny',
    args: [],
    summary: 'refuse --user <id> or --address <address or CIDR>, with --reason and --until where wanted',
    call: (call, { user, address, reason, until }) =>
      call<object>('POST', 'deny-list', { user_id: user, address, reason, expires_at: until }),
    show: fields,
  }),
  command({
    name: 'allow',
    args: [],
    summary: 'let --user <id> or --address <address or CIDR> in again',
    call: (call, { user, address }) => call<object>('DELETE', `deny-list${queryOf({ user_id: user, address })}`),
    show: () => 'allowed',
  }),
  command({
    name: 'rotate-secret',
    args: [],
    summary: 'a new secret for seckill tokens; tokens of the old one are still taken',
    call: (call) => call<object>('POST', 'token-secrets/rotate'),
    show: fields,
  }),
  command({
    name: 'events',
    args: [],
    summary: 'order events that are not delivered, oldest first; --state dead: those that were given up',
    call: (call, { state, limit, cursor }) =>
      call<Page<OrderEvents>>('GET', `order-events${queryOf({ state, limit, cursor })}`),
    show: ({ items, next_cursor }) =>
      table(items, [
        ['id', ({ id }) => id],
        ['time', ({ time }) => shortTime(time)],
        ['sale', ({ product_id }) => product_id],
        ['status', ({ status }) => status],
        ['orders', ({ orders }) => orders],
        ['attempts', ({ attempts }) => attempts],
        ['next attempt', ({ dead_at, next_attempt_at: next }) => (dead_at === null ? next && shortTime(next) : 'dead')],
        ['error', ({ last_error }) => last_error],
      ]) + more(next_cursor),
  }),
  command({
    name: 'events-retry',
    args: [],
    summary: 'have all dead order events delivered again',
    call: (call) => call<object>('POST', 'order-events/retry'),
    show: fields,
  }),
  command({
    name: 'events-discard',
    args: [],
    summary: 'give up all dead order events for good',
    isFinal: true,
    call: (call) => call<object>('POST', 'order-events/discard'),
    show: fields,
  }),
  command({
    name: 'export',
    args: ['user'],
    summary: 'all that is kept of a shopper, as JSON',
    call: (call, { args: [user], limit, cursor }) =>
      call<object>('GET', `shoppers/${path(user!)}/export${queryOf({ limit, cursor })}`),
    // For the shopper, who gets it as it is.
    show: (answer) => JSON.stringify(answer, null, 2),
  }),
  command({
    name: 'erase',
    args: ['user'],
    summary: 'forget who a shopper is; orders and sums stay under a pseudonym',
    isFinal: true,
    call: (call, { args: [user] }) => call<object>('POST', `shoppers/${path(user!)}/erase`),
    show: fields,
  }),
  command({
    name: 'actions',
    args: [],
    summary: 'what operators changed, newest first',
    call: (call, typed) => call<Page<Action>>('GET', `actions${page(typed)}`),
    show: ({ items, next_cursor }) =>
      table(items, [
        ['id', ({ id }) => id],
        ['time', ({ time }) => shortTime(time)],
        ['operator', ({ operator }) => operator],
        ['role', ({ role }) => role],
        ['action', ({ action }) => action],
        ['subject', ({ subject }) => subject],
        ['detail', ({ detail }) => JSON.stringify(detail)],
      ]) + more(next_cursor),
  }),
];
