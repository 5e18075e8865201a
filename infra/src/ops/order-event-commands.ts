import { option } from '@flash-sale/shared/platform/process/command-line.ts';
import type { OrderEvents, Page } from '@flash-sale/web/operator-types';
import type { Call } from './api.ts';
import { oneOf, PAGE } from './arguments.ts';
import { command, more, queryOf, shortTime, type Command } from './command.ts';
import { fields, table } from './table.ts';

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

/** Commands for order events that are not delivered. */
export const ORDER_EVENT_COMMANDS: readonly Command[] = [
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
];
