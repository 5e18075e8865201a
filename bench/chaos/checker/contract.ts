import type { Call } from '../history.ts';
import type { Check } from './promises.ts';
import { codeOf } from './view.ts';

/** The refusals of a call about an order that are allowed in any state of the order. */
const ORDER_REFUSALS = ['404 not_found', '503 overloaded', '503 not_ready', '503 unavailable'];

const ROOM_REFUSALS = ['409 ended', '429 rate_limited', '503 overloaded', '503 not_ready', '503 unavailable'];

/** The allowed answers of each call, in addition to 400 for an invalid shopper. */
const ANSWERS: Readonly<Record<Call['kind'], ReadonlySet<string>>> = {
  open: new Set(['201', '503 unavailable', '503 overloaded', '503 not_ready']),
  product: new Set(['200', '503 unavailable']),
  join: new Set(['200', '400 invalid_request', ...ROOM_REFUSALS]),
  place: new Set(['200', '400 invalid_request', ...ROOM_REFUSALS]),
  token: new Set([
    '200',
    '400 invalid_request',
    '403 not_called',
    '409 ended',
    '409 tokens_exhausted',
    '429 rate_limited',
    '503 overloaded',
    '503 not_ready',
    '503 unavailable',
  ]),
  buy: new Set([
    '202',
    '400 invalid_request',
    '403 token_invalid',
    '409 not_started',
    '409 ended',
    '409 paused',
    '409 sold_out',
    '429 rate_limited',
    '503 overloaded',
    '503 not_ready',
    '503 unavailable',
  ]),
  pay: new Set(['200', '409 invalid_state', ...ORDER_REFUSALS]),
  cancel: new Set(['200', '409 invalid_state', ...ORDER_REFUSALS]),
  refund: new Set(['202', '409 invalid_state', ...ORDER_REFUSALS]),
  poll: new Set(['200', ...ORDER_REFUSALS]),
};

/** The HTTP contract of every answer, and no crashed process. */
export const contractIsKept: Check = function* (record) {
  for (const call of record.calls) {
    if (call.status === null) continue;
    const answer = call.status < 400 ? String(call.status) : `${call.status} ${codeOf(call)}`;
    if (!ANSWERS[call.kind].has(answer))
      yield `${call.kind} by ${JSON.stringify(call.shopper)} was answered ${answer} at ${call.answered_ms}`;
    const left = call.body?.['available'];
    if (answer === '409 sold_out' && call.kind === 'buy' && !(Number(left) >= 0 && Number(left) < call.quantity!))
      yield `a buy of ${call.quantity} was sold out with ${String(left)} left at ${call.answered_ms}`;
    if ((call.status === 429 || call.status === 503) && !/^[0-9]+$/.test(call.retry_after ?? ''))
      yield `${call.kind} was answered ${answer} without Retry-After at ${call.answered_ms}`;
  }
  yield* record.crashes;
};
