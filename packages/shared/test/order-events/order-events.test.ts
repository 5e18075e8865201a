import { describe, expect, test } from 'vitest';
import {
  EVENTS_PER_MESSAGE_MAX,
  messagesToSend,
  retryAfterMs,
  type OrderEvents,
} from '../../src/order-events/order-events.ts';

const NOW_MS = 1_000_000;

function rows(...given: readonly (Partial<OrderEvents> & { readonly orderNos: readonly string[] })[]): OrderEvents[] {
  return given.map((fields, i) => ({
    id: i + 1,
    status: 'pending_payment',
    cameMs: NOW_MS,
    messageId: undefined,
    attempts: 0,
    nextAttemptMs: undefined,
    waitingSinceMs: NOW_MS,
    ...fields,
  }));
}
function plan(waiting: readonly OrderEvents[]) {
  const begun = Map.groupBy(
    waiting.filter(({ messageId }) => messageId !== undefined),
    ({ messageId }) => messageId,
  );
  const fresh = waiting.filter(({ messageId }) => messageId === undefined);
  const messages = [...begun].map(([messageId, events]) => ({ messageId, events }));
  return messagesToSend(messages, fresh, NOW_MS).map(({ messageId, events }) => [
    messageId,
    events.map(({ id }) => id),
  ]);
}
const numbers = (from: number, count: number): string[] => Array.from({ length: count }, (_, i) => `o${from + i}`);

describe('messages to send', () => {
  test('contain as many rows as fit, in their order', () => {
    const [half, rest] = [EVENTS_PER_MESSAGE_MAX / 2, EVENTS_PER_MESSAGE_MAX / 2 + 1];
    const waiting = rows(
      { orderNos: numbers(0, half) },
      { orderNos: numbers(100, half) },
      { orderNos: numbers(200, rest) },
      { orderNos: numbers(300, rest) },
    );
    expect(plan(waiting)).toEqual([
      [undefined, [1, 2]],
      [undefined, [3]],
      [undefined, [4]],
    ]);
  });

  test('contain an order twice only in one message, with the later event later', () => {
    expect(plan(rows({ orderNos: ['a'] }, { orderNos: ['a', 'b'], status: 'paid' }))).toEqual([[undefined, [1, 2]]]);
  });

  test('do not contain an order of an undelivered earlier message, nor its later events; all others are sent', () => {
    const waiting = rows(
      { orderNos: ['a', 'b'], messageId: 'first', nextAttemptMs: NOW_MS + 1 },
      { orderNos: ['a', 'c'], status: 'paid' },
      { orderNos: ['c', 'd'], status: 'refunded' },
      { orderNos: ['e'] },
    );
    expect(plan(waiting)).toEqual([[undefined, [4]]]);
  });

  test('do not contain an order of a full message before them in the same plan', () => {
    const full = numbers(0, EVENTS_PER_MESSAGE_MAX);
    expect(plan(rows({ orderNos: full }, { orderNos: ['o7'] }, { orderNos: ['x'] }))).toEqual([
      [undefined, [1]],
      [undefined, [3]],
    ]);
  });

  test('keep their rows, and wait for their time', () => {
    const waiting = rows(
      { orderNos: ['a'], messageId: 'due', nextAttemptMs: NOW_MS },
      { orderNos: ['b'], messageId: 'early', nextAttemptMs: NOW_MS + 1 },
      { orderNos: ['c'], messageId: 'due', nextAttemptMs: NOW_MS },
      { orderNos: ['d'], messageId: 'untried' },
    );
    expect(plan(waiting)).toEqual([
      ['due', [1, 3]],
      ['untried', [4]],
    ]);
  });
});

test('are retried less and less often, at most a minute apart', () => {
  expect([1, 2, 3, 7, 40].map((attempts) => retryAfterMs(attempts, 0))).toEqual([1_000, 2_000, 4_000, 60_000, 60_000]);
  expect(retryAfterMs(1, 1)).toBe(750);
});
