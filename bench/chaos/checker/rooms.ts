import type { Call } from '../history.ts';
import type { Check } from './promises.ts';
import { codeOf } from './view.ts';

/** An api process reads a room at most once a second. */
const READING_MS = 2_000;

/** A reading of a place in a waiting room. */
interface Reading {
  readonly call: Call;
  readonly place: number;
  readonly isCalled: boolean;
}

/**
 * Waiting rooms: a seckill token only for a shopper who was called; nobody who was called is sent
 * back; nobody waits while somebody behind is called.
 */
export const roomsAreFair: Check = function* (record) {
  const withRoom = new Set(record.sales.filter(({ has_room: hasRoom }) => hasRoom === true).map(({ id }) => id));
  for (const sale of withRoom) {
    const calls = record.calls.filter((call) => call.sale === sale && call.status !== null);
    const readings = calls.flatMap(readingOf);
    yield* turnsAreKept(calls, readings);
    yield* lineIsKept(readings);
  }
};

function readingOf(call: Call): Reading[] {
  const { kind, status, body } = call;
  if (kind !== 'place' || status !== 200 || typeof body?.['place'] !== 'number') return [];
  const state = body['status'];
  if (state !== 'called' && state !== 'waiting') return [];
  return [{ call, place: body['place'], isCalled: state === 'called' }];
}

function* turnsAreKept(calls: readonly Call[], readings: readonly Reading[]): Generator<string> {
  const calledMs = new Map<string, number>();
  for (const { call, isCalled } of readings) {
    const earlier = calledMs.get(call.shopper) ?? Infinity;
    if (isCalled) calledMs.set(call.shopper, Math.min(earlier, call.answered_ms));
  }
  for (const { call, isCalled } of readings) {
    if (!isCalled && call.sent_ms > (calledMs.get(call.shopper) ?? Infinity) + READING_MS)
      yield `${call.shopper} was called, and waits again at ${call.answered_ms}`;
  }
  for (const call of calls.filter(({ kind }) => kind === 'token')) {
    const sinceMs = calledMs.get(call.shopper) ?? Infinity;
    if (call.status === 200 && call.answered_ms < sinceMs)
      yield `${call.shopper} got a seckill token at ${call.answered_ms} without being called`;
    if (codeOf(call) === 'not_called' && call.sent_ms > sinceMs)
      yield `${call.shopper} was called, and sent back at ${call.answered_ms}`;
  }
}

/** By time: the furthest place that was called so far, against those who wait before it. */
function* lineIsKept(readings: readonly Reading[]): Generator<string> {
  const called = readings
    .filter(({ isCalled }) => isCalled)
    .toSorted((a, b) => a.call.answered_ms - b.call.answered_ms);
  const waiting = readings.filter(({ isCalled }) => !isCalled).toSorted((a, b) => a.call.sent_ms - b.call.sent_ms);
  let next = 0;
  let furthest = -Infinity;
  for (const { call, place } of waiting) {
    for (; next < called.length && called[next]!.call.answered_ms + READING_MS < call.sent_ms; next += 1)
      furthest = Math.max(furthest, called[next]!.place);
    if (place < furthest) yield `${call.shopper} waits at ${place} at ${call.answered_ms}, but ${furthest} was called`;
  }
}
