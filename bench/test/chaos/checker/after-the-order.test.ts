import { expect, test } from 'vitest';
import { check } from '../../../chaos/checker/check.ts';
import type {
  FinalReading,
  LedgerMove,
  LedgerOrder,
  LedgerPayment,
  RoundRecord,
  SaleFacts,
  Violation,
} from '../../../chaos/checker/record.ts';
import type { Call, CallKind } from '../../../chaos/history.ts';

const SALE: SaleFacts = {
  id: 17,
  units: 2,
  units_per_shopper: 1,
  price_cents: 1_999,
  start_ms: 1_000,
  end_ms: 9_000,
  sellsOut: true,
};

const order = (orderNo: string, userId: string, createdAtMs: number, status: string): LedgerOrder => ({
  order_no: orderNo,
  user_id: userId,
  status,
  price_cents: 1_999,
  quantity: 1,
  created_at_ms: createdAtMs,
});
const move = (orderNo: string, from: string, to: string, atMs: number): LedgerMove => ({
  order_no: orderNo,
  from,
  to,
  at_ms: atMs,
});
const payment = (paymentId: string, orderNo: string, status: string, amountCents = 1_999): LedgerPayment => ({
  payment_id: paymentId,
  order_no: orderNo,
  status,
  amount_cents: amountCents,
});
const returned = (orderNo: string, createdMs: number, appliedMs: number | null = createdMs + 100) => ({
  order_no: orderNo,
  created_ms: createdMs,
  applied_ms: appliedMs,
});

const call = (kind: CallKind, shopper: string, orderNo: string, atMs: number, answer: Partial<Call> = {}): Call => ({
  kind,
  shopper,
  sale: 17,
  api: 0,
  ...(kind === 'buy' ? {} : { order_no: orderNo }),
  sent_ms: atMs,
  answered_ms: atMs + 5,
  status: 200,
  retry_after: null,
  body: null,
  ...answer,
});
const buy = (shopper: string, orderNo: string, atMs: number, token: string): Call =>
  call('buy', shopper, orderNo, atMs, {
    status: 202,
    token,
    quantity: 1,
    body: { order_no: orderNo, status: 'queued', quantity: 1 },
  });
const poll = (shopper: string, orderNo: string, atMs: number, status: string): Call =>
  call('poll', shopper, orderNo, atMs, {
    body: { order_no: orderNo, user_id: shopper, price: 19.99, quantity: 1, total: 19.99, status },
  });
const cancel = (shopper: string, orderNo: string, atMs: number): Call =>
  call('cancel', shopper, orderNo, atMs, {
    body: { order_no: orderNo, user_id: shopper, price: 19.99, status: 'cancelled' },
  });

/**
 * Alice pays A, and money that came on top goes back. Bob cancels B and buys C, which expires
 * before his money comes. Carol buys that unit as D, pays and is refunded; Dora buys it as E and
 * pays.
 */
const CALLS: readonly Call[] = [
  buy('alice', 'A', 2_000, 't1'),
  poll('alice', 'A', 2_050, 'pending_payment'),
  call('pay', 'alice', 'A', 2_100),
  poll('alice', 'A', 2_400, 'paid'),
  buy('bob', 'B', 2_100, 't2'),
  cancel('bob', 'B', 2_200),
  poll('bob', 'B', 2_300, 'cancelled'),
  buy('bob', 'C', 2_500, 't3'),
  poll('bob', 'C', 5_700, 'expired'),
  buy('carol', 'D', 6_000, 't4'),
  poll('carol', 'D', 6_200, 'paid'),
  call('refund', '', 'D', 6_300, { status: 202, body: { order_no: 'D', status: 'paid' } }),
  poll('carol', 'D', 6_600, 'refunded'),
  buy('dora', 'E', 6_800, 't5'),
];
const FINAL: FinalReading = {
  sale: 17,
  began_ms: 8_000,
  orders: [
    order('A', 'alice', 2_002, 'paid'),
    order('B', 'bob', 2_102, 'cancelled'),
    order('C', 'bob', 2_502, 'expired'),
    order('D', 'carol', 6_002, 'refunded'),
    order('E', 'dora', 6_802, 'paid'),
  ],
  returns: [returned('B', 2_203), returned('C', 5_600), returned('D', 6_500)],
  moves: [
    move('A', 'pending_payment', 'paid', 2_300),
    move('B', 'pending_payment', 'cancelled', 2_203),
    move('C', 'pending_payment', 'expired', 5_600),
    move('D', 'pending_payment', 'paid', 6_100),
    move('D', 'paid', 'refunded', 6_500),
    move('E', 'pending_payment', 'paid', 6_900),
  ],
  payments: [
    payment('P1', 'A', 'succeeded'),
    payment('P2', 'A', 'refunded'),
    payment('P3', 'C', 'refund_pending'),
    payment('P4', 'D', 'refunded'),
    payment('P5', 'B', 'declined'),
    payment('P6', 'C', 'started'),
    payment('P7', 'E', 'succeeded'),
  ],
  sold: 2,
  ready: true,
  available: 0,
  owners: new Map([
    ['alice', 'A'],
    ['dora', 'E'],
  ]),
  reservations: new Set(),
};

const broken = (changes: Partial<FinalReading> = {}, more: readonly Call[] = [], rest: Partial<RoundRecord> = {}) => {
  const record: RoundRecord = {
    sales: [SALE],
    calls: [...CALLS, ...more],
    samples: [],
    ledgerSamples: [],
    paymentSightings: [],
    finals: [{ ...FINAL, ...changes }],
    strikes: [],
    refusedShoppers: new Set(),
    crashes: [],
    drained: true,
    ...rest,
  };
  return [...new Set(check(record).violations.map(({ promise }) => promise))] as Violation['promise'][];
};

const withPayment = (paymentId: string, status: string): Partial<FinalReading> => ({
  payments: FINAL.payments.map((row) => (row.payment_id === paymentId ? { ...row, status } : row)),
});

test('a round with payments, a cancel, an expiry and a refund breaks no promise', () => {
  expect(broken()).toEqual([]);
});

test('2: a closed order still owns a unit whose return was applied', () => {
  const owners = new Map([...FINAL.owners, ['bob', 'C']]);
  expect(broken({ owners, available: -1 })).toContain(2);
});

test('3: a closed order has no return, or a live order has one', () => {
  expect(broken({ returns: FINAL.returns.slice(1) })).toEqual([3]);
  expect(broken({ returns: [...FINAL.returns, returned('A', 2_400)] })).toEqual([3]);
});

test('3: a return was not applied', () => {
  expect(broken({ returns: [...FINAL.returns.slice(0, 2), returned('D', 6_500, null)] })).toEqual([3]);
});

test('4: a shopper bought again while the first order was live', () => {
  const orders = FINAL.orders.map((row) => (row.order_no === 'C' ? { ...row, created_at_ms: 2_150 } : row));
  expect(broken({ orders })).toEqual([4]);
});

test.each([
  ['a paid order expires', [move('A', 'pending_payment', 'paid', 2_300), move('A', 'paid', 'expired', 5_100)]],
  [
    'an order is paid twice',
    [move('A', 'pending_payment', 'paid', 2_300), move('A', 'pending_payment', 'paid', 2_400)],
  ],
  ['a history begins in the middle', [move('A', 'paid', 'paid', 2_300)]],
  ['a history ends elsewhere', []],
])('5: %s', (_what, ofA) => {
  expect(broken({ moves: [...ofA, ...FINAL.moves.slice(1)] })).toEqual([5]);
});

test('5: a paid order became a cancelled one between two answers', () => {
  expect(broken({}, [poll('alice', 'A', 2_600, 'cancelled')])).toEqual([5]);
});

test('5: the ledger has an older state than an answer showed', () => {
  expect(broken({}, [poll('alice', 'A', 2_600, 'refunded')])).toEqual([5]);
});

test.each([
  ['a cancel', poll('bob', 'B', 2_250, 'pending_payment')],
  ['a paid poll', poll('alice', 'A', 2_500, 'pending_payment')],
  ['a refund', poll('carol', 'D', 6_700, 'paid')],
  ['an expired poll', poll('bob', 'C', 5_800, 'queued')],
  ['a cancel, by a pay', call('pay', 'bob', 'B', 2_250)],
])('5: an answer is behind %s', (_what, stale) => {
  expect(broken({}, [stale])).toEqual([5]);
});

test('5: an answer that may have been overtaken proves nothing', () => {
  expect(broken({}, [poll('bob', 'B', 2_203, 'pending_payment')])).toEqual([]);
});

test('8: one seckill token bought two orders, one after the other', () => {
  const calls = CALLS.map((made) => (made.token === 't3' ? { ...made, token: 't2' } : made));
  expect(broken({}, [], { calls })).toEqual([8]);
});

test('8: one seckill token may buy again if Redis lost its data in between, and not after that', () => {
  const calls = CALLS.map((made) => (made.token === 't3' ? { ...made, token: 't2' } : made));
  const sent = calls.filter(({ token }) => token === 't2').map(({ sent_ms: sentMs }) => sentMs);
  const lossAt = (ms: number) => [
    {
      fault: 'redis_emptied',
      struck_ms: ms,
      healed_ms: ms,
      recovery_ms: 0,
      standstills: [],
      buys_in_flight: 0,
      units_left: 0,
      losesRedisData: true,
    },
  ];
  expect(broken({}, [], { calls, strikes: lossAt(Math.min(...sent) + 1) })).toEqual([]);
  expect(broken({}, [], { calls, strikes: lossAt(Math.min(...sent) - 1) })).toEqual([8]);
});

test('8: a buy got another number while the order was live', () => {
  expect(broken({}, [buy('alice', 'X', 3_000, 't9')])).toContain(8);
  // After the close, its shopper buys again.
  expect(broken()).toEqual([]);
});

test('9: owners vanished at another time than units went back', () => {
  const sample = (atMs: number, held: number) => ({
    at_ms: atMs,
    sale: 17,
    ready: true,
    history_id: 'r1',
    available: 2 - held,
    held,
    batches: 0,
  });
  expect(broken({}, [], { samples: [sample(5_590, 2), sample(5_750, 1)] })).toEqual([]);
  expect(broken({}, [], { samples: [sample(3_000, 2), sample(3_050, 1)] })).toEqual([9]);
});

test.each([
  ['a paid order without a payment', withPayment('P1', 'declined')],
  ['an order paid twice over', withPayment('P2', 'succeeded')],
  ['money kept for an expired order', withPayment('P3', 'succeeded')],
  ['money kept for a refunded order', withPayment('P4', 'succeeded')],
  ['money going back for a paid order, though nobody asked', withPayment('P1', 'refund_pending')],
  ['an unknown state', withPayment('P6', 'lost')],
  ['another amount', { payments: [...FINAL.payments, payment('P8', 'B', 'declined', 1_899)] }],
  ['an order that is nowhere', { payments: [...FINAL.payments, payment('P8', 'X', 'started')] }],
])('the money: %s', (_what, changes) => {
  expect(broken(changes)).toEqual(['money']);
});

test('the money: a refund that was asked for may be under way', () => {
  const changes = {
    orders: FINAL.orders.map((row) => (row.order_no === 'D' ? { ...row, status: 'paid' } : row)),
    moves: FINAL.moves.filter(({ to }) => to !== 'refunded'),
    ...withPayment('P4', 'refund_pending'),
    returns: FINAL.returns.slice(0, 2),
    sold: 3,
  };
  const calls = CALLS.slice(0, -2);
  expect(broken(changes, [], { calls })).not.toContain('money');
});

test('the money: a payment returned to an earlier status', () => {
  const sighting = (status: string, atMs: number) => ({ at_ms: atMs, sale: 17, payment_id: 'P1', status });
  expect(broken({}, [], { paymentSightings: [sighting('started', 1), sighting('succeeded', 2)] })).toEqual([]);
  expect(broken({}, [], { paymentSightings: [sighting('succeeded', 1), sighting('declined', 2)] })).toEqual(['money']);
});

test('the contract: a call about an order that failed inside', () => {
  const failed = { status: 500, body: { code: 'internal' } };
  for (const kind of ['pay', 'cancel', 'refund'] as const)
    expect(broken({}, [call(kind, 'alice', 'A', 2_500, failed)])).toEqual(['contract']);
});
