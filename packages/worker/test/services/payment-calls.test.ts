import { sql } from 'kysely';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Payment, PaymentEventKind } from '@flash-sale/shared/payment/payment.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import { applyPaymentEvent } from '@flash-sale/shared/order-moves/apply-payment-event.ts';
import { cancelOrder } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { requestRefund } from '@flash-sale/shared/order-moves/request-refund.ts';
import { ProviderFault, type PaymentAnswer, type PaymentProvider } from '@flash-sale/shared/payment/provider.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { findPayment, findPaymentsOfOrder, updateStartedPayment } from '@flash-sale/shared/payment/payments-table.ts';
import { ledgerOf, openPayment, placeOrder, placeOrders } from '@flash-sale/shared/testing/ordering.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { paymentCalls } from '../../src/services/payment-calls.ts';
import { shoppers } from '../shoppers.ts';

const GOING_ON = new AbortController().signal;

let context: TestContext;
beforeEach(async () => {
  context = await openTestContext();
  onTestFinished(() => context.close());
});

/** A provider that keeps what it was asked, and answers as the test says. */
function openCalls(answer: (payment: Payment) => Promise<PaymentAnswer> = () => Promise.resolve({ now: 'waiting' })) {
  const asked: string[] = [];
  let atOnce = 0;
  let atOnceMax = 0;
  const ask = (what: string) => async (payment: Payment) => {
    asked.push(`${what} ${payment.paymentId}`);
    atOnceMax = Math.max(atOnceMax, (atOnce += 1));
    return answer(payment).finally(() => (atOnce -= 1));
  };
  const provider: PaymentProvider = {
    name: 'sandbox',
    start: () => Promise.reject(new Error('nobody starts a payment here')),
    verifyWebhook: () => Promise.resolve({ ignored: 'unreadable' }),
    read: ask('read'),
    refund: ask('refund'),
    expire: ask('expire'),
  };
  const { db, log, saleTransactions } = context;
  const metrics = createMetrics('worker');
  const { round, rest } = paymentCalls({ db, provider, saleTransactions, log, metrics });
  return { asked, atOnceMax: () => atOnceMax, metrics, round: () => round(GOING_ON), rest: rest! };
}

const tell = (paymentId: string, kind: PaymentEventKind) =>
  applyPaymentEvent(context, 'sandbox', { eventId: `${kind}-${paymentId}`, paymentId, kind });

/** A cancelled order, for which money came afterwards. */
async function latePayment(user = 'alice'): Promise<{ order: Order; payment_id: string }> {
  const order = await placeOrder(context, await context.openSale(), user);
  const paymentId = await openPayment(context, order.orderNo);
  await cancelOrder(context, order, { actor: 'shopper' });
  await tell(paymentId, 'succeeded');
  return { order, payment_id: paymentId };
}

/** Lets the time pass after which a payment is asked about again. */
const later = () =>
  context.db.updateTable('payments').set({ ask_at: new Date() }).where('ask_at', 'is not', null).execute();

describe('a refund', () => {
  test('of a late payment is requested once, and confirmed by the provider’s event alone', async () => {
    const { order, payment_id: paymentId } = await latePayment();
    const { round, asked } = openCalls();
    await round();
    await round();
    expect(asked).toEqual([`refund ${paymentId}`]);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'cancelled', payments: ['refund_pending'] });
    await tell(paymentId, 'refunded');
    await later();
    await round();
    expect(asked).toHaveLength(1);
  });

  test('of money that arrived through an api process whose clock is 4 min fast is requested at once: it once waited 229 s', async () => {
    const order = await placeOrder(context, await context.openSale());
    const paymentId = await openPayment(context, order.orderNo);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 240_000 });
    onTestFinished(() => void vi.useRealTimers());
    await cancelOrder(context, order, { actor: 'shopper' });
    await tell(paymentId, 'succeeded');
    vi.useRealTimers();
    const { round, asked } = openCalls();
    await round();
    expect(asked).toEqual([`refund ${paymentId}`]);
  });

  test('that was not confirmed is requested again later', async () => {
    const { payment_id: paymentId } = await latePayment();
    const { round, asked } = openCalls();
    await round();
    await later();
    await round();
    expect(asked).toEqual([`refund ${paymentId}`, `refund ${paymentId}`]);
  });

  test('that an operator requested is made, and one that the provider refuses stays due', async () => {
    const order = await placeOrder(context, await context.openSale());
    const paymentId = await openPayment(context, order.orderNo);
    await tell(paymentId, 'succeeded');
    await requestRefund(context, order, 'operator');
    const { round, asked } = openCalls(() => Promise.reject(new Error('the provider is away')));
    await round();
    await later();
    await round();
    expect(asked).toEqual([`refund ${paymentId}`, `refund ${paymentId}`]);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'paid', payments: ['refund_pending'] });
  });
});

describe('a refund whose answer says that it has arrived', () => {
  test('is done without a webhook', async () => {
    const { order, payment_id: paymentId } = await latePayment();
    const { round, asked } = openCalls(() => Promise.resolve({ now: 'refunded' }));
    await round();
    await later();
    await round();
    expect(asked).toEqual([`refund ${paymentId}`]);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'cancelled', payments: ['refunded'] });
  });

  test('and fails afterwards is made again, as another call', async () => {
    const { order, payment_id: paymentId } = await latePayment();
    const keys: number[] = [];
    const { round } = openCalls(({ keyNo }) => {
      keys.push(keyNo);
      return Promise.resolve({ now: 'refunded' });
    });
    await round();
    await tell(paymentId, 'refund_failed');
    expect(await ledgerOf(context, order)).toMatchObject({ payments: ['refund_pending'] });
    await round();
    expect(new Set(keys).size).toBe(2);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'cancelled', payments: ['refunded'] });
  });
});

describe('an open payment', () => {
  const openOrder = async () => {
    const order = await placeOrder(context, await context.openSale());
    return { order, payment_id: await openPayment(context, order.orderNo) };
  };

  test.each([
    ['its provider expired it', { now: 'declined' }, 'declined'],
    ['its money came first', { now: 'succeeded', received: { amount: 1_999, currency: 'CNY' } }, 'refund_pending'],
    ['its money is under way', { now: 'waiting' }, 'started'],
  ] as const)('of a closed order is asked about until its end is known: %s', async (_name, answer, status) => {
    const { order, payment_id: paymentId } = await openOrder();
    const { round, asked } = openCalls(() => Promise.resolve(answer));
    await round();
    expect(asked).toEqual([]);
    await cancelOrder(context, order, { actor: 'shopper' });
    await round();
    expect(asked[0]).toBe(`expire ${paymentId}`);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'cancelled', payments: [status] });
    await later();
    await round();
    const next = { declined: [], refund_pending: [`refund ${paymentId}`], started: [`expire ${paymentId}`] };
    expect(asked.slice(1)).toEqual(next[status]);
  });

  test('that is paid while its provider is asked to expire it is refunded', async () => {
    const { order, payment_id: paymentId } = await openOrder();
    await cancelOrder(context, order, { actor: 'shopper' });
    const { round, asked } = openCalls(async () => {
      if (asked.length > 1) return { now: 'waiting' };
      await tell(paymentId, 'succeeded');
      return { now: 'declined' };
    });
    await round();
    expect(await ledgerOf(context, order)).toMatchObject({ payments: ['refund_pending'] });
    await later();
    await round();
    expect(asked).toEqual([`expire ${paymentId}`, `refund ${paymentId}`]);
  });

  test('whose webhook was lost pays its order in time', async () => {
    const { order, payment_id: paymentId } = await openOrder();
    await updateStartedPayment(context.db, paymentId, 'ref', 'http://pay.test/');
    const answers: PaymentAnswer[] = [
      { now: 'open' },
      { now: 'succeeded', received: { amount: 1_999, currency: 'CNY' } },
    ];
    const { round, asked } = openCalls(() => Promise.resolve(answers.shift()!));
    // Its webhook is given time.
    await round();
    expect(asked).toEqual([]);
    for (let i = 0; i < 2; i += 1) {
      await later();
      await round();
    }
    expect(asked).toEqual([`read ${paymentId}`, `read ${paymentId}`]);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'paid', payments: ['succeeded'] });
    await later();
    await round();
    expect(asked).toHaveLength(2);
  });

  test('that was paid with another amount does not count as paid: it is noted, counted, and refunded', async () => {
    const { order, payment_id: paymentId } = await openOrder();
    await updateStartedPayment(context.db, paymentId, 'ref', 'http://pay.test/');
    await later();
    const answer = { now: 'succeeded', received: { amount: 1_998, currency: 'CNY' } } as const;
    const { round, metrics } = openCalls(() => Promise.resolve(answer));
    await round();
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'pending_payment', payments: ['refund_pending'] });
    const [payment] = await findPaymentsOfOrder(context.db, order.orderNo);
    expect(payment!.note).toBe('Received 1998 CNY in its smallest unit instead of 1999 CNY');
    expect((await metrics.paymentEvents.get()).values).toContainEqual({
      labels: { outcome: 'wrong_amount' },
      value: 1,
    });
    // The order can be paid by another payment.
    await tell(await openPayment(context, order.orderNo), 'succeeded');
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'paid' });
  });
});

describe('a provider that does not do it', () => {
  const keyOf = async (paymentId: string) => (await findPayment(context.db, paymentId))!.keyNo;
  const askAtOf = (paymentId: string) =>
    context.db
      .selectFrom('payments')
      .select(sql<number>`TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(3), ask_at)`.as('seconds'))
      .select(['asks', 'last_error'])
      .where('payment_id', '=', paymentId)
      .executeTakeFirstOrThrow();

  test.each(['refused', 'busy'] as const)('since it is %s is left alone, for all payments', async (kind) => {
    const ids = [];
    for (let i = 0; i < 12; i += 1) ids.push((await latePayment()).payment_id);
    const { round, asked } = openCalls(() => Promise.reject(new ProviderFault(kind, 'not now')));
    await round();
    await later();
    await round();
    expect(asked).toHaveLength(10);
    expect(await askAtOf(ids[0]!)).toMatchObject({ last_error: 'not now' });
  });

  test('is asked less and less often, at most ten minutes apart, and not before the requested pause is over', async () => {
    const { payment_id: paymentId } = await latePayment();
    let retryAfterMs: number | undefined;
    const { round } = openCalls(() => Promise.reject(new ProviderFault('failed', 'away', { retryAfterMs })));
    const waits: number[] = [];
    for (let i = 0; i < 7; i += 1) {
      await later();
      await round();
      waits.push((await askAtOf(paymentId)).seconds);
    }
    expect(waits.map((seconds) => Math.round(seconds / 10) * 10)).toEqual([30, 60, 120, 240, 480, 600, 600]);
    retryAfterMs = 900_000;
    await later();
    await round();
    expect((await askAtOf(paymentId)).seconds).toBeGreaterThan(890);
  });

  test('and may repeat its answer is asked with a new key; one without an answer, with the same key', async () => {
    const { payment_id: paymentId } = await latePayment();
    const before = await keyOf(paymentId);
    const faults = [new ProviderFault('failed', 'lost'), new ProviderFault('failed', '500', { mayBeKept: true })];
    const { round } = openCalls(() => Promise.reject(faults.shift()!));
    await round();
    expect(await keyOf(paymentId)).toBe(before);
    await later();
    await round();
    expect(await keyOf(paymentId)).toBe(before + 1);
  });

  test('is asked again by another process if this one died meanwhile', async () => {
    const { payment_id: paymentId } = await latePayment();
    const { promise, resolve } = Promise.withResolvers<PaymentAnswer>();
    const { round, asked } = openCalls(() => promise);
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
  const { payment_id: paymentId } = await latePayment();
  const closed = await placeOrder(context, await context.openSale());
  await openPayment(context, closed.orderNo, 'stripe');
  await twoHoursPass();
  expect(await agesOf(openCalls())).toEqual({ refund: 120, answer: 0 });
  await tell(paymentId, 'refunded');
  await cancelOrder(context, closed, { actor: 'shopper' });
  // Nobody here has the provider of that one.
  await openCalls().round();
  await twoHoursPass();
  const calls = openCalls();
  expect(await agesOf(calls)).toEqual({ refund: 0, answer: 120 });
  // After another process has the lead.
  calls.rest();
  expect(await agesShown(calls)).toEqual({ refund: 0, answer: 0 });
});

test('a payment of another provider is left to a worker with that provider', async () => {
  const order = await placeOrder(context, await context.openSale());
  await openPayment(context, order.orderNo, 'stripe');
  await cancelOrder(context, order, { actor: 'shopper' });
  const { round, asked } = openCalls();
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
  const { round, asked, atOnceMax } = openCalls(() => promise);
  const done = round();
  await expect.poll(() => asked).toHaveLength(10);
  resolve({ now: 'waiting' });
  await done;
  expect(new Set(asked).size).toBe(35);
  expect(atOnceMax()).toBe(10);
});
