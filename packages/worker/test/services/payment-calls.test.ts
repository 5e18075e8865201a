import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { cancelOrder } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { requestRefund } from '@flash-sale/shared/order-moves/request-refund.ts';
import type { PaymentAnswer } from '@flash-sale/shared/payment/provider.ts';
import { findPaymentsOfOrder, updateStartedPayment } from '@flash-sale/shared/payment/payments-table.ts';
import { ledgerOf, openPayment, placeOrder } from '@flash-sale/shared/testing/ordering.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { latePayment, later, openCalls, tell } from '../provider-calls.ts';

let context: TestContext;
beforeEach(async () => {
  context = await openTestContext();
  onTestFinished(() => context.close());
});

describe('a refund', () => {
  test('of a late payment is requested once, and confirmed by the provider’s event alone', async () => {
    const { order, paymentId } = await latePayment(context);
    const { round, asked } = openCalls(context);
    await round();
    await round();
    expect(asked).toEqual([`refund ${paymentId}`]);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'cancelled', payments: ['refund_pending'] });
    await tell(context, paymentId, 'refunded');
    await later(context);
    await round();
    expect(asked).toHaveLength(1);
  });

  test('of money that arrived through an api process whose clock is 4 min fast is requested at once: it once waited 229 s', async () => {
    const order = await placeOrder(context, await context.openSale());
    const paymentId = await openPayment(context, order.orderNo);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 240_000 });
    onTestFinished(() => void vi.useRealTimers());
    await cancelOrder(context, order, { actor: 'shopper' });
    await tell(context, paymentId, 'succeeded');
    vi.useRealTimers();
    const { round, asked } = openCalls(context);
    await round();
    expect(asked).toEqual([`refund ${paymentId}`]);
  });

  test('that was not confirmed is requested again later', async () => {
    const { paymentId } = await latePayment(context);
    const { round, asked } = openCalls(context);
    await round();
    await later(context);
    await round();
    expect(asked).toEqual([`refund ${paymentId}`, `refund ${paymentId}`]);
  });

  test('that an operator requested is made, and one that the provider refuses stays due', async () => {
    const order = await placeOrder(context, await context.openSale());
    const paymentId = await openPayment(context, order.orderNo);
    await tell(context, paymentId, 'succeeded');
    await requestRefund(context, order, 'operator');
    const { round, asked } = openCalls(context, () => Promise.reject(new Error('the provider is away')));
    await round();
    await later(context);
    await round();
    expect(asked).toEqual([`refund ${paymentId}`, `refund ${paymentId}`]);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'paid', payments: ['refund_pending'] });
  });
});

describe('a refund whose answer says that it has arrived', () => {
  test('is done without a webhook', async () => {
    const { order, paymentId } = await latePayment(context);
    const { round, asked } = openCalls(context, () => Promise.resolve({ now: 'refunded' }));
    await round();
    await later(context);
    await round();
    expect(asked).toEqual([`refund ${paymentId}`]);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'cancelled', payments: ['refunded'] });
  });

  test('and fails afterwards is made again, as another call', async () => {
    const { order, paymentId } = await latePayment(context);
    const keys: number[] = [];
    const { round } = openCalls(context, ({ keyNo }) => {
      keys.push(keyNo);
      return Promise.resolve({ now: 'refunded' });
    });
    await round();
    await tell(context, paymentId, 'refund_failed');
    expect(await ledgerOf(context, order)).toMatchObject({ payments: ['refund_pending'] });
    await round();
    expect(new Set(keys).size).toBe(2);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'cancelled', payments: ['refunded'] });
  });
});

describe('an open payment', () => {
  const openOrder = async () => {
    const order = await placeOrder(context, await context.openSale());
    return { order, paymentId: await openPayment(context, order.orderNo) };
  };

  test.each([
    ['its provider expired it', { now: 'declined' }, 'declined'],
    ['its money came first', { now: 'succeeded', received: { amount: 1_999, currency: 'CNY' } }, 'refund_pending'],
    ['its money is under way', { now: 'waiting' }, 'started'],
  ] as const)('of a closed order is asked about until its end is known: %s', async (_name, answer, status) => {
    const { order, paymentId } = await openOrder();
    const { round, asked } = openCalls(context, () => Promise.resolve(answer));
    await round();
    expect(asked).toEqual([]);
    await cancelOrder(context, order, { actor: 'shopper' });
    await round();
    expect(asked[0]).toBe(`expire ${paymentId}`);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'cancelled', payments: [status] });
    await later(context);
    await round();
    const next = { declined: [], refund_pending: [`refund ${paymentId}`], started: [`expire ${paymentId}`] };
    expect(asked.slice(1)).toEqual(next[status]);
  });

  test('that is paid while its provider is asked to expire it is refunded', async () => {
    const { order, paymentId } = await openOrder();
    await cancelOrder(context, order, { actor: 'shopper' });
    const { round, asked } = openCalls(context, async () => {
      if (asked.length > 1) return { now: 'waiting' };
      await tell(context, paymentId, 'succeeded');
      return { now: 'declined' };
    });
    await round();
    expect(await ledgerOf(context, order)).toMatchObject({ payments: ['refund_pending'] });
    await later(context);
    await round();
    expect(asked).toEqual([`expire ${paymentId}`, `refund ${paymentId}`]);
  });

  test('whose webhook was lost pays its order in time', async () => {
    const { order, paymentId } = await openOrder();
    await updateStartedPayment(context.db, paymentId, 'ref', 'http://pay.test/');
    const answers: PaymentAnswer[] = [
      { now: 'open' },
      { now: 'succeeded', received: { amount: 1_999, currency: 'CNY' } },
    ];
    const { round, asked } = openCalls(context, () => Promise.resolve(answers.shift()!));
    // Its webhook is given time.
    await round();
    expect(asked).toEqual([]);
    for (let i = 0; i < 2; i += 1) {
      await later(context);
      await round();
    }
    expect(asked).toEqual([`read ${paymentId}`, `read ${paymentId}`]);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'paid', payments: ['succeeded'] });
    await later(context);
    await round();
    expect(asked).toHaveLength(2);
  });

  test('that was paid with another amount does not count as paid: it is noted, counted, and refunded', async () => {
    const { order, paymentId } = await openOrder();
    await updateStartedPayment(context.db, paymentId, 'ref', 'http://pay.test/');
    await later(context);
    const answer = { now: 'succeeded', received: { amount: 1_998, currency: 'CNY' } } as const;
    const { round, metrics } = openCalls(context, () => Promise.resolve(answer));
    await round();
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'pending_payment', payments: ['refund_pending'] });
    const [payment] = await findPaymentsOfOrder(context.db, order.orderNo);
    expect(payment!.note).toBe('Received 1998 CNY in its smallest unit instead of 1999 CNY');
    expect((await metrics.paymentEvents.get()).values).toContainEqual({
      labels: { outcome: 'wrong_amount' },
      value: 1,
    });
    // The order can be paid by another payment.
    await tell(context, await openPayment(context, order.orderNo), 'succeeded');
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'paid' });
  });
});
