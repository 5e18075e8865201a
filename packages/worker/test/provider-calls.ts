import type { Payment, PaymentEventKind } from '@flash-sale/shared/payment/payment.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import { applyPaymentEvent } from '@flash-sale/shared/order-moves/apply-payment-event.ts';
import { cancelOrder } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { paymentProviders, type PaymentAnswer, type PaymentProvider } from '@flash-sale/shared/payment/provider.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { openPayment, placeOrder } from '@flash-sale/shared/testing/ordering.ts';
import type { TestContext } from '@flash-sale/shared/testing/support.ts';
import { paymentCalls } from '../src/services/payment-calls.ts';

const GOING_ON = new AbortController().signal;

/** The service with a provider that records its calls, and answers as the test says. */
export function openCalls(
  context: TestContext,
  answer: (payment: Payment) => Promise<PaymentAnswer> = () => Promise.resolve({ now: 'waiting' }),
) {
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
    minimumCents: () => 1,
    start: () => Promise.reject(new Error('nobody starts a payment here')),
    verifyWebhook: () => Promise.resolve({ ignored: 'unreadable' }),
    read: ask('read'),
    refund: ask('refund'),
    expire: ask('expire'),
  };
  const { db, log, saleTransactions } = context;
  const metrics = createMetrics('worker');
  const { round, rest } = paymentCalls({ db, providers: paymentProviders(provider), saleTransactions, log, metrics });
  return { asked, atOnceMax: () => atOnceMax, metrics, round: () => round(GOING_ON), rest: rest! };
}

export const tell = (context: TestContext, paymentId: string, kind: PaymentEventKind) =>
  applyPaymentEvent(context, 'sandbox', { eventId: `${kind}-${paymentId}`, paymentId, kind });

/** A cancelled order, for which money came afterwards. */
export async function latePayment(context: TestContext, user = 'alice'): Promise<{ order: Order; paymentId: string }> {
  const order = await placeOrder(context, await context.openSale(), user);
  const paymentId = await openPayment(context, order.orderNo);
  await cancelOrder(context, order, { actor: 'shopper' });
  await tell(context, paymentId, 'succeeded');
  return { order, paymentId };
}

/** Makes every payment due for its next call. */
export const later = (context: TestContext) =>
  context.db.updateTable('payments').set({ ask_at: new Date() }).where('ask_at', 'is not', null).execute();
