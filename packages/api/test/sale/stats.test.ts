import { describe, expect, it } from 'vitest';
import { keepOutcomes, type CounterChange } from '@flash-sale/shared/sale/sale-counters-table.ts';
import { applyPaymentEvent } from '@flash-sale/shared/order-moves/apply-payment-event.ts';
import { cancelOrder, expireOrders } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { shoppers } from '@flash-sale/shared/testing/buying.ts';
import { openPayment, placeOrders } from '@flash-sale/shared/testing/ordering.ts';
import { statsOf } from '../../src/sale/stats.ts';
import { AS_OPERATOR, openApp, openTestApp, type TestApp } from '../../testing/support.ts';

const { context, app } = await openTestApp({ CURRENCY: 'USD' });

interface Stats {
  readonly requests: Record<string, number>;
  readonly orders_per_second: readonly { time: string; orders: number }[];
}
const statsFrom = async (from: TestApp, id: number): Promise<Stats> =>
  (await from.get(`/api/v1/admin/products/${id}/stats`, AS_OPERATOR)).json();

describe('GET /api/v1/admin/products/:id/stats', () => {
  it('adds up a scripted sale to the unit and the cent, before and right after a restart', async () => {
    const sale = await context.openSale({ seckillStock: 12, priceCents: 1_010 });
    const secondMs = Math.floor(Date.now() / 1_000) * 1_000;
    const early = await placeOrders(context, sale, shoppers(3), { createdAtMs: secondMs - 2_000 });
    const orders = await placeOrders(context, sale, shoppers(9).slice(3), { createdAtMs: secondMs - 1_000 });
    const paid = await Promise.all(early.map(({ orderNo }) => openPayment(context, orderNo)));
    for (const paymentId of paid) {
      await applyPaymentEvent(context, 'sandbox', { eventId: `s-${paymentId}`, paymentId, kind: 'succeeded' });
    }
    const [back] = paid;
    for (const kind of ['refunded', 'refunded'] as const) {
      await applyPaymentEvent(context, 'sandbox', { eventId: `r-${back}`, paymentId: back!, kind });
    }
    await cancelOrder(context, orders[0]!, { actor: 'shopper' });
    const rest = orders.slice(1).map(({ orderNo }) => orderNo);
    await expireOrders(context, sale.id, rest.slice(0, 2));
    // Buys by HTTP, whose outcomes are counted: three units are left, and one of the winners comes
    // twice.
    const outcomes = [];
    for (const user of ['w1', 'w2', 'w3', 'late-1', 'late-2']) {
      outcomes.push((await app.buy(sale, user, await app.tokenOf(sale, user))).statusCode);
    }
    expect(outcomes).toEqual([202, 202, 202, 409, 409]);
    await app.buy(sale, 'w1', await app.tokenOf(sale, 'w1'));
    await app.buy(sale, 'forger', await app.tokenOf(sale, 'w1'));

    const expected = {
      product_id: sale.id,
      currency: 'USD',
      requests: { accepted: 3, sold_out: 2, replayed: 1, token_invalid: 1 },
      accepted: 12,
      written: 9,
      paid: 3,
      cancelled: 1,
      expired: 2,
      refunded: 1,
      failed: 0,
      revenue: 20.2,
      orders_per_second: [
        { time: new Date(secondMs - 2_000).toISOString(), orders: 3 },
        { time: new Date(secondMs - 1_000).toISOString(), orders: 6 },
      ],
    };
    await expect.poll(() => statsFrom(app, sale.id), { timeout: 10_000 }).toMatchObject(expected);

    // This count was not written before its process ended; the process writes it at its end.
    const other = await openApp(context, { CURRENCY: 'USD' });
    await other.buy(sale, 'late-3', await other.tokenOf(sale, 'late-3'));
    await other.close();
    const restarted = await openApp(context, { CURRENCY: 'USD' });
    try {
      const requests = { ...expected.requests, sold_out: 3 };
      expect(await statsFrom(restarted, sale.id)).toMatchObject({ ...expected, requests });
    } finally {
      await restarted.close();
    }
  });

  it('still has the buys by outcome of a sale that Redis does not keep any more', async () => {
    const sale = await context.openSale();
    await keepOutcomes(context.db, sale.id, { accepted: 2, sold_out: 7 });
    await keepOutcomes(context.db, sale.id, { accepted: 2, sold_out: 7 });
    expect((await statsFrom(app, sale.id)).requests).toEqual({ accepted: 2, sold_out: 7 });
  });

  it('is not changed by forged seckill tokens for a sale that Redis does not keep any more, nor is Redis', async () => {
    const DAY_MS = 86_400_000;
    const endMs = Date.now() - 2 * DAY_MS;
    const sale = await context.insertSale({ startMs: endMs - DAY_MS, endMs });
    await context.db.updateTable('products').set({ cleaned_at: new Date() }).where('id', '=', sale.id).execute();
    await keepOutcomes(context.db, sale.id, { accepted: 2, token_invalid: 7 });
    const other = await openApp(context);
    await other.get(`/api/v1/products/${sale.id}`);
    const forged = `00000000.${sale.id.toString(36)}.00000000.${'A'.repeat(12)}.${'A'.repeat(43)}`;
    expect(await other.buy(sale, 'mallory', forged)).toBeProblem('token_invalid');
    await other.close();
    expect((await statsFrom(app, sale.id)).requests).toEqual({ accepted: 2, token_invalid: 7 });
    expect(await context.redis.exists(context.keys.sale(sale).outcomes)).toBe(0);
  });

  it('is empty for a sale without buys', async () => {
    const sale = await context.openSale();
    expect(await statsFrom(app, sale.id)).toEqual({
      product_id: sale.id,
      currency: 'USD',
      requests: {},
      accepted: 0,
      written: 0,
      sold: 0,
      paid: 0,
      cancelled: 0,
      expired: 0,
      refunded: 0,
      failed: 0,
      revenue: 0,
      row_after_ms: { p50: null, p99: null },
      orders_per_second: [],
    });
  });

  it('is for operators, and for existing sales', async () => {
    const sale = await context.openSale();
    expect(await app.get(`/api/v1/admin/products/${sale.id}/stats`)).toBeProblem('unauthenticated');
    expect(await app.get('/api/v1/admin/products/999999/stats', AS_OPERATOR)).toBeProblem('not_found');
  });
});

describe('percentiles', () => {
  const rowAfterMs = (buckets: Record<number, number>) => {
    const counters = Object.entries(buckets).map(([bucket, value]): CounterChange => ({
      name: 'row_after_ms',
      bucket: Number(bucket),
      value,
    }));
    return statsOf(1, { currency: 'CNY', outcomes: {}, backlog: 0, sold: 0, counters }).row_after_ms;
  };

  it.each([
    [{ 5: 1 }, { p50: 5, p99: 5 }],
    [
      { 5: 50, 10: 50 },
      { p50: 5, p99: 10 },
    ],
    [
      { 5: 49, 10: 51 },
      { p50: 10, p99: 10 },
    ],
    [
      { 5: 99, 1_000: 1 },
      { p50: 5, p99: 5 },
    ],
    [
      { 5: 98, 1_000: 2 },
      { p50: 5, p99: 1_000 },
    ],
  ])('of %j are %j', (buckets, expected) => {
    expect(rowAfterMs(buckets)).toEqual(expected);
  });
});
