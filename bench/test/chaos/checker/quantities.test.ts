import { expect, test } from 'vitest';
import { check } from '../../../chaos/checker/check.ts';
import type { FinalReading, RoundRecord, Violation } from '../../../chaos/checker/record.ts';
import { accepted, buy, order, poll, returned, SALE, sample, soldOut, soundRound } from './sound-round.ts';

const SEVERAL = { ...SALE, units: 6, units_per_shopper: 3 };
const three = { ...accepted('A'), body: { ...accepted('A').body, quantity: 3 } };
const again = { ...three, body: { ...three.body, replayed: true } };
const shown = { user_id: 'alice', status: 'pending_payment', quantity: 3, total: 59.97 };

/** Alice buys three of six units, Bob one, Carol wants three and takes the two that are left. */
const CALLS = [
  { ...buy('alice', 2_000, three), quantity: 3 },
  // The quantity of a retry does not matter.
  { ...buy('alice', 2_010, again), quantity: 1 },
  buy('bob', 2_100, accepted('B')),
  { ...buy('carol', 2_200, soldOut(2)), quantity: 3 },
  { ...buy('carol', 2_300, { ...accepted('C'), body: { ...accepted('C').body, quantity: 2 } }), quantity: 2 },
  poll('A', 2_400, shown),
];
const FINAL: FinalReading = {
  ...soundRound().final,
  orders: [
    { ...order('A', 'alice', 2_000), quantity: 3 },
    order('B', 'bob', 2_100),
    { ...order('C', 'carol', 2_300), quantity: 2 },
  ],
  owners: new Map([
    ['alice', 'A:3'],
    ['bob', 'B'],
    ['carol', 'C:2'],
  ]),
  sold: 6,
};

const broken = (changes: Partial<FinalReading> = {}, rest: Partial<RoundRecord> = {}): Violation['promise'][] => {
  const record = soundRound().record({
    sales: [SEVERAL],
    calls: CALLS,
    samples: [sample(2_050, 3, 3), sample(2_350, 0, 6)],
    ledgerSamples: [{ at_ms: 2_350, sale: 17, live: 6, sold: 6, fence: 2 }],
    finals: [{ ...FINAL, ...changes }],
    ...rest,
  });
  return [...new Set(check(record).violations.map(({ promise }) => promise))];
};

test('a round with quantities breaks no promise', () => {
  expect(broken()).toEqual([]);
});

test('1: two orders of more units than there are', () => {
  expect(broken({ orders: FINAL.orders.map((row) => ({ ...row, quantity: 3 })), sold: 9 })).toContain(1);
});

test('2: an owner entry of another quantity than its order, or a unit that is gone', () => {
  expect(broken({ owners: new Map([...FINAL.owners, ['alice', 'A:2']]), available: 1 })).toEqual([2, 3]);
  expect(broken({}, { samples: [sample(2_050, 3, 1)] })).toEqual([2]);
});

test('3: fewer units sold than there are, though the orders are as many', () => {
  const orders = FINAL.orders.map((row) => ({ ...row, quantity: row.order_no === 'C' ? 1 : row.quantity }));
  const owners = new Map([...FINAL.owners, ['carol', 'C']]);
  expect(broken({ orders, owners, available: 1, sold: 5 })).toContain(3);
});

test('5: a part of an order', () => {
  const orders = FINAL.orders.map((row) => ({ ...row, quantity: row.order_no === 'A' ? 2 : row.quantity }));
  const owners = new Map([...FINAL.owners, ['alice', 'A:2']]);
  expect(broken({ orders, owners, sold: 5 })).toContain(5);
});

test.each([
  ['a poll shows another quantity', poll('A', 2_500, { ...shown, quantity: 1 })],
  ['a poll shows another total', poll('A', 2_500, { ...shown, total: 19.99 })],
  ['a retry is answered with its own quantity', { ...buy('alice', 2_500, accepted('A', true)), quantity: 1 }],
])('5: %s', (_what, call) => {
  expect(broken({}, { calls: [...CALLS, call] })).toEqual([5]);
});

test('5: an order of more units than the sale allows', () => {
  expect(broken({}, { sales: [{ ...SEVERAL, units_per_shopper: 2 }] })).toEqual([5]);
});

test('9: of an order of three only one unit went back', () => {
  const samples = [sample(2_050, 0, 6), sample(2_450, 3, 3)];
  const returns = [returned('A', 2_440)].map((row) => ({ ...row, created_ms: 2_430 }));
  expect(broken({ returns }, { samples })).not.toContain(9);
  expect(broken({ returns: [{ ...returns[0]!, order_no: 'B' }] }, { samples })).toContain(9);
});

test.each([
  ['without a number', { ...soldOut(), body: { code: 'sold_out' } }],
  ['with as many units as were wanted', soldOut(3)],
])('the contract: sold out %s', (_what, answer) => {
  expect(broken({}, { calls: [...CALLS, { ...buy('dora', 2_500, answer), quantity: 3 }] })).toEqual(['contract']);
});

test('the money: a payment of one unit for an order of three', () => {
  const payment = (amountCents: number) => ({
    payments: [{ payment_id: 'P', order_no: 'A', status: 'started', amount_cents: amountCents }],
  });
  expect(broken(payment(3 * 1_999))).toEqual([]);
  expect(broken(payment(1_999))).toEqual(['money']);
});
