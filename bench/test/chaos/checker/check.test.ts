import { expect, test } from 'vitest';
import { check } from '../../../chaos/checker/check.ts';
import type { RoundRecord, Violation } from '../../../chaos/checker/record.ts';
import type { Call } from '../../../chaos/history.ts';
import {
  SALE,
  accepted,
  buy,
  lost,
  order,
  poll,
  refused,
  returned,
  sample,
  soldOut,
  soundRound,
  strike,
} from './sound-round.ts';

const promisesOf = (record: RoundRecord): Violation['promise'][] => [
  ...new Set(check(record).violations.map(({ promise }) => promise)),
];

test('a sound round breaks no promise', () => {
  expect(check(soundRound().record({ strikes: [strike()] }))).toEqual({ violations: [], allowedLosses: 0 });
});

test('1: more live orders than units', () => {
  const { record, final } = soundRound();
  const finals = [{ ...final, orders: [...final.orders, order('C', 'carol', 2_200)], sold: 3 }];
  expect(promisesOf(record({ finals }))).toContain(1);
});

test('1: more live orders than units for a moment only', () => {
  const ledgerSamples = [{ at_ms: 2_350, sale: 17, live: 3, sold: 3, fence: 2 }];
  expect(promisesOf(soundRound().record({ ledgerSamples }))).toEqual([1]);
});

test('1: fewer than no units available', () => {
  expect(promisesOf(soundRound().record({ samples: [sample(2_150, -1, 3)] }))).toEqual([1]);
});

test('2: a unit that is neither available nor owned, at one instant', () => {
  expect(promisesOf(soundRound().record({ samples: [sample(2_050, 1, 0)] }))).toEqual([2]);
});

test('2: a sale that is not ready may show anything', () => {
  expect(promisesOf(soundRound().record({ samples: [{ ...sample(2_050, 1, 0), ready: false }] }))).toEqual([]);
});

test('2: an owner whose order is nowhere', () => {
  const { record, final } = soundRound();
  const owners = new Map([...final.owners, ['alice', 'X']]);
  expect(promisesOf(record({ finals: [{ ...final, owners }] }))).toEqual([2]);
});

test('2: a failed order may own its unit until it goes back, and not longer', () => {
  const { record, final } = soundRound();
  const failing = { ...final, orders: [order('A', 'alice', 2_000, 'failed'), final.orders[1]!], sold: 1 };
  const changes = {
    sales: [{ ...SALE, sellsOut: false }],
    refusedShoppers: new Set(['alice']),
    calls: [buy('alice', 2_000, accepted('A')), buy('bob', 2_100, accepted('B'))],
    ledgerSamples: [],
  };
  const returns = (applied: boolean) => [returned('A', applied ? 2_600 : null)];
  const unapplied = { ...changes, drained: false, finals: [{ ...failing, returns: returns(false) }] };
  expect(promisesOf(record(unapplied))).toEqual([11]);
  expect(promisesOf(record({ ...changes, finals: [{ ...failing, returns: returns(true) }] }))).toEqual([2]);
});

test('3: a unit is left although enough came', () => {
  const { record, calls, final } = soundRound();
  const owners = new Map([['alice', 'A']]);
  const finals = [{ ...final, orders: final.orders.slice(0, 1), sold: 1, available: 1, owners }];
  const withoutBob = calls.filter(({ shopper, order_no: orderNo }) => shopper !== 'bob' && orderNo !== 'B');
  expect(promisesOf(record({ finals, calls: withoutBob }))).toEqual([3]);
});

test('4: two live orders of one shopper', () => {
  const { record, final } = soundRound();
  const finals = [{ ...final, orders: [final.orders[0]!, order('B', 'alice', 2_100)] }];
  expect(promisesOf(record({ finals }))).toContain(4);
});

test('4: one order for `u1` and `U1`', () => {
  const { record, calls } = soundRound();
  expect(promisesOf(record({ calls: [...calls, buy('ALICE', 2_500, accepted('A', true))] }))).toContain(4);
});

test('5: an order that is still queued after everything', () => {
  const { record, final, calls } = soundRound();
  const finals = [{ ...final, orders: final.orders.slice(0, 1), sold: 1, reservations: new Set(['B']) }];
  const withoutPoll = calls.filter(({ order_no: orderNo }) => orderNo !== 'B');
  expect(promisesOf(record({ finals, calls: withoutPoll, sales: [{ ...SALE, sellsOut: false }] }))).toEqual([5]);
});

test.each([
  ['another price', poll('A', 2_500, { user_id: 'alice', status: 'pending_payment', price: 18.99 })],
  ['another owner', poll('A', 2_500, { user_id: 'bob', status: 'pending_payment' })],
  ['another number', poll('A', 2_500, { user_id: 'alice', status: 'pending_payment', order_no: 'B' })],
  ['another outcome', poll('A', 2_500, { user_id: 'alice', status: 'failed' })],
  ['a way back', poll('A', 2_500, { user_id: 'alice', status: 'queued' })],
  ['no order at all', poll('A', 2_500, null)],
])('5: a poll shows %s', (_what, call) => {
  const { record, calls } = soundRound();
  expect(promisesOf(record({ calls: [...calls, call] }))).toEqual([5]);
});

test('6: an accepted order is nowhere', () => {
  const { record, final, calls } = soundRound();
  const withLost = [...calls, buy('dora', 2_300, accepted('D'))];
  expect(promisesOf(record({ calls: withLost }))).toEqual([6]);
  // Also if Redis lost data: this one was in the ledger.
  const strikes = [strike({ losesRedisData: true })];
  const finals = [
    { ...final, orders: final.orders.slice(0, 1), sold: 1, available: 1, owners: new Map([['alice', 'A']]) },
  ];
  expect(promisesOf(record({ finals, strikes, sales: [{ ...SALE, sellsOut: false }] }))).toEqual([6]);
});

test('6: an accepted order failed though nothing refused it', () => {
  const { record, final, calls } = soundRound();
  const finals = [
    {
      ...final,
      orders: [...final.orders, order('D', 'dora', 2_300, 'failed')],
      returns: [returned('D')],
    },
  ];
  expect(promisesOf(record({ finals, calls: [...calls, buy('dora', 2_300, accepted('D'))] }))).toEqual([6]);
});

test('5 and 6: what Redis lost with its data is counted apart, unless it was accepted later or reappears', () => {
  const { record, calls } = soundRound();
  const strikes = [strike({ losesRedisData: true })];
  const withLost = [...calls, buy('dora', 2_300, accepted('D')), poll('D', 3_500, null)];
  expect(check(record({ calls: withLost, strikes }))).toEqual({ violations: [], allowedLosses: 1 });
  const later = [...calls, buy('dora', 3_300, accepted('D')), poll('D', 3_500, null)];
  expect(promisesOf(record({ calls: later, strikes }))).toEqual([5, 6]);
  const reappears = [...withLost, poll('D', 3_600, { user_id: 'dora', status: 'queued' })];
  expect(promisesOf(record({ calls: reappears, strikes }))).toEqual([5]);
});

test('7: a shopper who was refused owns a unit', () => {
  const { record, calls } = soundRound();
  const refusedBob = calls.filter(({ shopper, order_no: orderNo }) => shopper !== 'bob' && orderNo !== 'B');
  expect(promisesOf(record({ calls: [...refusedBob, buy('bob', 2_100, soldOut())] }))).toEqual([7]);
  // Nobody knows what became of an `unavailable` buy, or of one without an answer.
  expect(promisesOf(record({ calls: [...refusedBob, buy('bob', 2_100, refused(503, 'unavailable', '1'))] }))).toEqual(
    [],
  );
  expect(promisesOf(record({ calls: [...refusedBob, buy('bob', 2_100, lost)] }))).toEqual([]);
});

test('7: a refusal used the seckill token up', () => {
  const { record, calls } = soundRound();
  const issued: Call = {
    ...buy('dora', 1_900, { status: 200, body: { token: 'T' }, retry_after: null }),
    kind: 'token',
  };
  const dora = [
    issued,
    buy('dora', 2_000, refused(503, 'not_ready', '1'), 'T'),
    buy('dora', 2_100, refused(403, 'token_invalid'), 'T'),
  ];
  expect(promisesOf(record({ calls: [...calls, ...dora] }))).toEqual([7]);
});

test('8: a retry got another order number', () => {
  const { record, final, calls } = soundRound();
  const withRetry = [...calls, buy('alice', 2_500, accepted('C'))];
  const finals = [{ ...final, orders: [...final.orders, order('C', 'alice', 2_500)] }];
  expect(promisesOf(record({ calls: withRetry, finals }))).toContain(8);
});

test('9: the fencing token of the ledger fell', () => {
  const ledgerSamples = [
    { at_ms: 2_050, sale: 17, live: 1, sold: 1, fence: 5 },
    { at_ms: 2_350, sale: 17, live: 2, sold: 2, fence: 4 },
  ];
  expect(promisesOf(soundRound().record({ ledgerSamples }))).toEqual([9]);
});

test('9: `sold` is not the number of live orders', () => {
  const { record, final } = soundRound();
  expect(promisesOf(record({ finals: [{ ...final, sold: 1 }] }))).toEqual([9]);
});

test('9: owners vanished from a ready sale, as a rebuild by a stale holder does', () => {
  const samples = [sample(2_050, 0, 2), sample(2_150, 1, 1)];
  expect(promisesOf(soundRound().record({ samples }))).toEqual([9]);
});

test('10: an order from before the start or after the end', () => {
  const { record, final } = soundRound();
  const admitted = (createdAtMs: number) => [
    { ...final, orders: [order('A', 'alice', createdAtMs), final.orders[1]!] },
  ];
  expect(promisesOf(record({ finals: admitted(999) }))).toEqual([10]);
  expect(promisesOf(record({ finals: admitted(1_000) }))).toEqual([]);
  expect(promisesOf(record({ finals: admitted(9_000) }))).toEqual([10]);
});

test('10: a buyer was told that an open sale has ended, or not started', () => {
  const { record, calls } = soundRound();
  for (const code of ['ended', 'not_started'])
    expect(promisesOf(record({ calls: [...calls, buy('dora', 5_000, refused(409, code))] }))).toEqual([10]);
});

test('11: no recovery in time, or not everything settled', () => {
  const { record, final } = soundRound();
  expect(promisesOf(record({ strikes: [strike({ recovery_ms: null })] }))).toEqual([11]);
  expect(promisesOf(record({ strikes: [strike({ standstills: ['nobody wrote'] })] }))).toEqual([11]);
  expect(promisesOf(record({ strikes: [strike({ recovery_ms: 15_001 })] }))).toEqual([11]);
  expect(promisesOf(record({ drained: false }))).toEqual([11]);
  expect(promisesOf(record({ finals: [{ ...final, ready: false }] }))).toEqual([11]);
});

test.each([
  ['500 internal', refused(500, 'internal')],
  ['an unknown code', refused(409, 'too_late')],
  ['503 without Retry-After', refused(503, 'not_ready')],
  ['429 without Retry-After', refused(429, 'rate_limited')],
])('the contract: %s', (_what, answer) => {
  const { record, calls } = soundRound();
  expect(promisesOf(record({ calls: [...calls, buy('dora', 2_500, answer)] }))).toEqual(['contract']);
});

test('the contract: a process that ended by itself', () => {
  expect(promisesOf(soundRound().record({ crashes: ['api-1 ended by itself (exit code 1)'] }))).toEqual(['contract']);
});
