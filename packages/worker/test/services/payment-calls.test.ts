import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Payment } from '@flash-sale/shared/domain/payment.ts';
import type { Order } from '@flash-sale/shared/domain/order.ts';
import { applyPaymentEvent, cancelOrder, requestRefund } from '@flash-sale/shared/order/moves.ts';
import type { PaymentProvider } from '@flash-sale/shared/payment/provider.ts';
import { ledgerOf, openPayment, placeOrder, placeOrders } from '../../../shared/test/ordering.ts';
import { openTestContext, type TestContext } from '../../../shared/test/support.ts';
import { paymentCalls } from '../../src/services/payment-calls.ts';
import { shoppers } from '../shoppers.ts';

const GOING_ON = new AbortController().signal;

let context: TestContext;
beforeEach(async () => {
  context = await openTestContext();
  onTestFinished(() => context.close());
});

/** A provider that keeps what it was asked, and fails where the test says so. */
function openCalls(answer: (payment: Payment) => Promise<void> = () => Promise.resolve()) {
  const asked: string[] = [];
  let atOnce = 0;
  let atOnceMax = 0;
  const ask = (what: string) => async (payment: Payment) => {
    asked.push(`${what} ${payment.payment_id}`);
    atOnceMax = Math.max(atOnceMax, (atOnce += 1));
    await answer(payment).finally(() => (atOnce -= 1));
  };
  const provider: PaymentProvider = {
    name: 'sandbox',
    start: () => Promise.reject(new Error('nobody starts a payment here')),
    verifyWebhook: () => undefined,
    refund: ask('refund'),
    expire: ask('expire'),
  };
  const { db, log } = context;
  return {
    asked,
    atOnceMax: () => atOnceMax,
    round: () => paymentCalls({ db, provider, log }).round(GOING_ON),
  };
}

const tell = (payment_id: string, kind: 'succeeded' | 'refunded') =>
  applyPaymentEvent(context, 'sandbox', { event_id: `${kind}-${payment_id}`, payment_id, kind });

/** A cancelled order, for which money came afterwards. */
async function latePayment(user = 'alice'): Promise<{ order: Order; payment_id: string }> {
  const order = await placeOrder(context, await context.openSale(), user);
  const payment_id = await openPayment(context, order.order_no);
  await cancelOrder(context, order, { actor: 'shopper' });
  await tell(payment_id, 'succeeded');
  return { order, payment_id };
}

/** Lets the time pass after which a call that was not confirmed is made again. */
const halfAMinuteLater = () =>
  context.db.updateTable('payments').set({ ask_at: new Date() }).where('ask_at', 'is not', null).execute();

describe('a refund', () => {
  test('of a late payment is asked for once, and confirmed by the provider’s event alone', async () => {
    const { order, payment_id } = await latePayment();
    const { round, asked } = openCalls();
    await round();
    await round();
    expect(asked).toEqual([`refund ${payment_id}`]);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'cancelled', payments: ['refund_pending'] });
    await tell(payment_id, 'refunded');
    await halfAMinuteLater();
    await round();
    expect(asked).toHaveLength(1);
  });

  test('of money that came through an api process whose clock is 4 min fast is asked for at once: it once waited 229 s', async () => {
    const order = await placeOrder(context, await context.openSale());
    const payment_id = await openPayment(context, order.order_no);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 240_000 });
    onTestFinished(() => void vi.useRealTimers());
    await cancelOrder(context, order, { actor: 'shopper' });
    await tell(payment_id, 'succeeded');
    vi.useRealTimers();
    const { round, asked } = openCalls();
    await round();
    expect(asked).toEqual([`refund ${payment_id}`]);
  });

  test('that was not confirmed is asked for again later', async () => {
    const { payment_id } = await latePayment();
    const { round, asked } = openCalls();
    await round();
    await halfAMinuteLater();
    await round();
    expect(asked).toEqual([`refund ${payment_id}`, `refund ${payment_id}`]);
  });

  test('that an operator asked for is made, and one that the provider refuses stays due', async () => {
    const order = await placeOrder(context, await context.openSale());
    const payment_id = await openPayment(context, order.order_no);
    await tell(payment_id, 'succeeded');
    await requestRefund(context, order, 'operator');
    const { round, asked } = openCalls(() => Promise.reject(new Error('the provider is away')));
    await round();
    await halfAMinuteLater();
    await round();
    expect(asked).toEqual([`refund ${payment_id}`, `refund ${payment_id}`]);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'paid', payments: ['refund_pending'] });
  });
});

describe('an open payment', () => {
  test('of a closed order is expired at its provider, once', async () => {
    const order = await placeOrder(context, await context.openSale());
    const payment_id = await openPayment(context, order.order_no);
    const { round, asked } = openCalls();
    await round();
    expect(asked).toEqual([]);
    await cancelOrder(context, order, { actor: 'shopper' });
    await round();
    await halfAMinuteLater();
    await round();
    expect(asked).toEqual([`expire ${payment_id}`]);
    expect(await ledgerOf(context, order)).toMatchObject({ payments: ['declined'] });
  });

  test('that is paid while its provider is asked to expire it goes back', async () => {
    const order = await placeOrder(context, await context.openSale());
    const payment_id = await openPayment(context, order.order_no);
    await cancelOrder(context, order, { actor: 'shopper' });
    const { round, asked } = openCalls(async () => {
      if (asked.length === 1) await tell(payment_id, 'succeeded');
    });
    await round();
    expect(await ledgerOf(context, order)).toMatchObject({ payments: ['refund_pending'] });
    await halfAMinuteLater();
    await round();
    expect(asked).toEqual([`expire ${payment_id}`, `refund ${payment_id}`]);
  });
});

test('a payment of another provider is left to a worker that has that one', async () => {
  const order = await placeOrder(context, await context.openSale());
  await openPayment(context, order.order_no, 'stripe');
  await cancelOrder(context, order, { actor: 'shopper' });
  const { round, asked } = openCalls();
  await round();
  expect(asked).toEqual([]);
  expect(await ledgerOf(context, order)).toMatchObject({ payments: ['started'] });
});

test('all that is due is asked in one round, several at once and never more than ten', async () => {
  const sale = await context.openSale({ seckill_stock: 50 });
  const orders = await placeOrders(context, sale, shoppers(35));
  for (const order of orders) {
    await openPayment(context, order.order_no);
    await cancelOrder(context, order, { actor: 'shopper' });
  }
  const { promise, resolve } = Promise.withResolvers<void>();
  const { round, asked, atOnceMax } = openCalls(() => promise);
  const done = round();
  await expect.poll(() => asked).toHaveLength(10);
  resolve();
  await done;
  expect(new Set(asked).size).toBe(35);
  expect(atOnceMax()).toBe(10);
});
