import { describe, expect, test } from 'vitest';
import {
  EVENTS_PER_MESSAGE_MAX,
  messagesToSend,
  retryAfter_ms,
  type OrderEvents,
} from '../../src/order-events/order-events.ts';

const NOW_MS = 1_000_000;

function rows(...given: readonly (Partial<OrderEvents> & { readonly order_nos: readonly string[] })[]): OrderEvents[] {
  return given.map((fields, i) => ({
    id: i + 1,
    status: 'pending_payment',
    came_ms: NOW_MS,
    message_id: undefined,
    attempts: 0,
    next_attempt_ms: undefined,
    waiting_since_ms: NOW_MS,
    ...fields,
  }));
}
function plan(waiting: readonly OrderEvents[]) {
  const begun = Map.groupBy(
    waiting.filter(({ message_id }) => message_id !== undefined),
    ({ message_id }) => message_id,
  );
  const fresh = waiting.filter(({ message_id }) => message_id === undefined);
  const messages = [...begun].map(([message_id, events]) => ({ message_id, events }));
  return messagesToSend(messages, fresh, NOW_MS).map(({ message_id, events }) => [
    message_id,
    events.map(({ id }) => id),
  ]);
}
const numbers = (from: number, count: number): string[] => Array.from({ length: count }, (_, i) => `o${from + i}`);

describe('messages to send', () => {
  test('contain as many rows as fit, in their order', () => {
    const [half, rest] = [EVENTS_PER_MESSAGE_MAX / 2, EVENTS_PER_MESSAGE_MAX / 2 + 1];
    const waiting = rows(
      { order_nos: numbers(0, half) },
      { order_nos: numbers(100, half) },
      { order_nos: numbers(200, rest) },
      { order_nos: numbers(300, rest) },
    );
    expect(plan(waiting)).toEqual([
      [undefined, [1, 2]],
      [undefined, [3]],
      [undefined, [4]],
    ]);
  });

  test('contain an order twice only in one message, with the later event later', () => {
    expect(plan(rows({ order_nos: ['a'] }, { order_nos: ['a', 'b'], status: 'paid' }))).toEqual([[undefined, [1, 2]]]);
  });

  test('do not contain an order of an undelivered earlier message, nor its later events; all others are sent', () => {
    const waiting = rows(
      { order_nos: ['a', 'b'], message_id: 'first', next_attempt_ms: NOW_MS + 1 },
      { order_nos: ['a', 'c'], status: 'paid' },
      { order_nos: ['c', 'd'], status: 'refunded' },
      { order_nos: ['e'] },
    );
    expect(plan(waiting)).toEqual([[undefined, [4]]]);
  });

  test('do not contain an order of a full message before them in the same plan', () => {
    const full = numbers(0, EVENTS_PER_MESSAGE_MAX);
    expect(plan(rows({ order_nos: full }, { order_nos: ['o7'] }, { order_nos: ['x'] }))).toEqual([
      [undefined, [1]],
      [undefined, [3]],
    ]);
  });

  test('keep their rows, and wait for their time', () => {
    const waiting = rows(
      { order_nos: ['a'], message_id: 'due', next_attempt_ms: NOW_MS },
      { order_nos: ['b'], message_id: 'early', next_attempt_ms: NOW_MS + 1 },
      { order_nos: ['c'], message_id: 'due', next_attempt_ms: NOW_MS },
      { order_nos: ['d'], message_id: 'untried' },
    );
    expect(plan(waiting)).toEqual([
      ['due', [1, 3]],
      ['untried', [4]],
    ]);
  });
});

test('are retried less and less often, at most a minute apart', () => {
  expect([1, 2, 3, 7, 40].map((attempts) => retryAfter_ms(attempts, 0))).toEqual([1_000, 2_000, 4_000, 60_000, 60_000]);
  expect(retryAfter_ms(1, 1)).toBe(750);
});
