import { sql } from 'kysely';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { cancelOrder } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { ProviderFault, type PaymentAnswer } from '@flash-sale/shared/payment/provider.ts';
import { findPayment } from '@flash-sale/shared/payment/payments-table.ts';
import { ledgerOf, openPayment, placeOrder, placeOrders } from '@flash-sale/shared/testing/ordering.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { shoppers } from '../shoppers.ts';
import { latePayment, later, openCalls, tell } from '../provider-calls.ts';

let context: TestContext;
beforeEach(async () => {
  context = await openTestContext();
  onTestFinished(() => context.close());
});

describe('a provider that does not do what it is asked', () => {
  const keyOf = async (paymentId: string) => (await findPayment(context.db, paymentId))!.keyNo;
  const askAtOf = (paymentId: string) =>
    context.db
      .selectFrom('payments')
      .select(sql<number>`TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(3), ask_at)`.as('seconds'))
      .select(['asks', 'last_error'])
      .where('payment_id', '=', paymentId)
      .executeTakeFirstOrThrow();

  test.each(['refused', 'busy'] as const)(
    'because it is %s gets no calls for a while, for any payment',
    async (kind) => {
      const ids = [];
      for (let i = 0; i < 12; i += 1) ids.push((await latePayment(context)).paymentId);
      const { round, asked } = openCalls(context, () => Promise.reject(new ProviderFault(kind, 'not now')));
      await round();
      await later(context);
      await round();
      expect(asked).toHaveLength(10);
      expect(await askAtOf(ids[0]!)).toMatchObject({ last_error: 'not now' });
    },
  );

  test('is asked less and less often, at most ten minutes apart, and not before the requested pause is over', async () => {
    const { paymentId } = await latePayment(context);
    let retryAfterMs: number | undefined;
    const { round } = openCalls(context, () => Promise.reject(new ProviderFault('failed', 'away', { retryAfterMs })));
    const waits: number[] = [];
    for (let i = 0; i < 7; i += 1) {
      await later(context);
      await round();
      waits.push((await askAtOf(paymentId)).seconds);
    }
    expect(waits.map((seconds) => Math.round(seconds / 10) * 10)).toEqual([30, 60, 120, 240, 480, 600, 600]);
    retryAfterMs = 900_000;
    await later(context);
    await round();
    expect((await askAtOf(paymentId)).seconds).toBeGreaterThan(890);
  });

  test('is asked with a new key if it may repeat its answer, and with the same key if there was no answer', async () => {
    const { paymentId } = await latePayment(context);
    const before = await keyOf(paymentId);
    const faults = [new ProviderFault('failed', 'lost'), new ProviderFault('failed', '500', { mayBeKept: true })];
    const { round } = openCalls(context, () => Promise.reject(faults.shift()!));
    await round();
    expect(await keyOf(paymentId)).toBe(before);
    await later(context);
    await round();
    expect(await keyOf(paymentId)).toBe(before + 1);
  });

  test('is asked again by another process if this one died meanwhile', async () => {
    const { paymentId } = await latePayment(context);
    const { promise, resolve } = Promise.withResolvers<PaymentAnswer>();
    const { round, asked } = openCalls(context, () => promise);
    const dying = round();
    await expect.poll(() => asked).toHaveLength(1);
    expect((await askAtOf(paymentId)).seconds).toBeGreaterThan(50);
    resolve({ now: 'waiting' });
    await dying;
  });
});

test('the asking process reports the ages of the payments that wait longest for a refund or for an answer', async () => {
  const twoHoursPass = () =>
    context.db
      .updateTable('payments')
      .set({ updated_at: sql`UTC_TIMESTAMP(3) - INTERVAL 2 HOUR` })
      .execute();
  const agesShown = async ({ metrics }: ReturnType<typeof openCalls>) => {
    const { values } = await metrics.paymentOldestSeconds.get();
    return Object.fromEntries(values.map(({ labels, value }) => [labels.waits_for, Math.floor(value / 60)]));
  };
  const agesOf = async (calls: ReturnType<typeof openCalls>) => {
    await calls.round();
    return agesShown(calls);
  };
  const { paymentId } = await latePayment(context);
  const closed = await placeOrder(context, await context.openSale());
  await openPayment(context, closed.orderNo, 'stripe');
  await twoHoursPass();
  expect(await agesOf(openCalls(context))).toEqual({ refund: 120, answer: 0 });
  await tell(context, paymentId, 'refunded');
  await cancelOrder(context, closed, { actor: 'shopper' });
  // Nobody here has the provider of that one.
  await openCalls(context).round();
  await twoHoursPass();
  const calls = openCalls(context);
  expect(await agesOf(calls)).toEqual({ refund: 0, answer: 120 });
  // After another process has the lead.
  calls.rest();
  expect(await agesShown(calls)).toEqual({ refund: 0, answer: 0 });
});

test('a payment from the future, as a step back of MySQL’s clock leaves it, grows old from when it is first seen', async () => {
  await latePayment(context);
  await context.db
    .updateTable('payments')
    .set({ updated_at: sql`UTC_TIMESTAMP(3) + INTERVAL 1 HOUR`, ask_at: null })
    .execute();
  const { round, rest, metrics } = openCalls(context);
  const age = async () => {
    // The ages are read again after a while, or once the process leads again.
    rest();
    await round();
    const { values } = await metrics.paymentOldestSeconds.get();
    return values.find(({ labels }) => labels.waits_for === 'refund')!.value;
  };
  expect(await age()).toBe(0);
  await expect.poll(age).toBeGreaterThan(0.1);
});

test('a payment of another provider is left to a worker with that provider', async () => {
  const order = await placeOrder(context, await context.openSale());
  await openPayment(context, order.orderNo, 'stripe');
  await cancelOrder(context, order, { actor: 'shopper' });
  const { round, asked } = openCalls(context);
  await round();
  expect(asked).toEqual([]);
  expect(await ledgerOf(context, order)).toMatchObject({ payments: ['started'] });
});

test('all due payments are asked in one round, several at once and never more than ten', async () => {
  const sale = await context.openSale({ seckillStock: 50 });
  const orders = await placeOrders(context, sale, shoppers(35));
  for (const order of orders) {
    await openPayment(context, order.orderNo);
    await cancelOrder(context, order, { actor: 'shopper' });
  }
  const { promise, resolve } = Promise.withResolvers<PaymentAnswer>();
  const { round, asked, atOnceMax } = openCalls(context, () => promise);
  const done = round();
  await expect.poll(() => asked).toHaveLength(10);
  resolve({ now: 'waiting' });
  await done;
  expect(new Set(asked).size).toBe(35);
  expect(atOnceMax()).toBe(10);
});
