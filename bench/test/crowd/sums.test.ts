import { expect, it } from 'vitest';
import type { Sale } from '@flash-sale/web/operator-types';
import type { Order } from '@flash-sale/web/client';
import { problemsIn } from '../../crowd/sums.ts';
import type { Visit } from '../../crowd/tally.ts';

const NOW_MS = Date.parse('2026-11-30T12:00:00Z');
const LATER = '2026-11-30T12:10:00Z';
const EARLIER = '2026-11-30T11:59:00Z';

function bought(userId: string, order: Partial<Order> = {}): Visit {
  const orderNo = `order-of-${userId}`;
  const whole = {
    order_no: orderNo,
    user_id: userId,
    status: 'paid',
    quantity: 1,
    expires_at: LATER,
    ...order,
  } as Order;
  return { userId, orderNos: [orderNo], order: whole, ending: whole.status };
}

const missed = (userId: string, ending: Visit['ending'] = 'sold_out'): Visit => ({
  userId,
  orderNos: [],
  order: undefined,
  ending,
});

const sale = (figures: Partial<Sale>): Sale =>
  ({ id: 1, seckill_stock: 2, available: 0, held: 2, sold: 2, backlog: 0, ...figures }) as Sale;

const problems = (visits: readonly Visit[], figures: Partial<Sale> = {}, isOnlyOurs = true): string[] =>
  problemsIn(visits, sale(figures), { isOnlyOurs, nowMs: NOW_MS });

it('a sale whose units are with the crowd has no problem, whether they are paid or not', () => {
  expect(problems([bought('ann'), bought('ben', { status: 'pending_payment' }), missed('cleo')])).toEqual([]);
});

it('an unpaid order may have expired since it was seen', () => {
  const visits = [bought('ann'), bought('ben', { status: 'pending_payment', expires_at: EARLIER })];
  expect(problems(visits, { available: 1, held: 1, sold: 1 })).toEqual([]);
});

it('a shopper who gave up may hold an order, and others may buy in a sale that is not ours', () => {
  expect(problems([bought('ann'), missed('ben', 'gave_up')])).toEqual([]);
  expect(problems([bought('ann')], {}, false)).toEqual([]);
});

it.each<[string, readonly Visit[], Partial<Sale>, string]>([
  ['a unit is lost', [bought('ann')], { held: 1, sold: 1 }, '0 units are left and 1 are held, of 2.'],
  [
    'more are sold than there are',
    [bought('ann'), bought('ben'), bought('cleo')],
    { held: 3, sold: 3, available: -1 },
    '3 units are sold of 2.',
  ],
  [
    'Redis and MySQL differ',
    [bought('ann'), bought('ben')],
    { held: 1, available: 1 },
    'Redis holds 1 units, and 2 are sold in MySQL.',
  ],
  [
    'the ledger has fewer orders than the crowd',
    [bought('ann'), bought('ben')],
    { sold: 1, held: 1, available: 1 },
    'The crowd holds 2 units, and only 1 are sold.',
  ],
  ['nobody holds a sold unit', [bought('ann')], {}, '2 units are sold, and the crowd holds only 1.'],
  [
    'a double click bought twice',
    [{ ...bought('ann'), orderNos: ['a', 'b'] }, bought('ben')],
    {},
    'ann got 2 orders: a, b.',
  ],
  [
    'two shoppers got one order',
    [bought('ann'), { ...bought('ben'), orderNos: ['order-of-ann'] }],
    {},
    'ann and ben got the same order order-of-ann.',
  ],
  [
    'a shopper sees the order of another',
    [bought('ann'), bought('ben', { user_id: 'ann' })],
    {},
    'ben got the order order-of-ben of ann.',
  ],
])('finds that %s', (_, visits, figures, problem) => {
  expect(problems(visits, figures)).toContain(problem);
});
