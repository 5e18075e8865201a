import type { Check } from './promises.ts';
import { paymentCanBecome } from './statuses.ts';
import type { SaleView } from './view.ts';

/**
 * Money is accounted for: a paid order is paid once, and additional money or money for a closed
 * order is refunded. A payment without a confirmation may stay open, since a provider may have
 * crashed with its message; a refund may still be in progress.
 */
export const moneyIsKept: Check = function* (record, views) {
  for (const view of views) {
    yield* paymentsOf(view);
    const refundAsked = new Set(
      record.calls
        .filter(({ kind, status }) => kind === 'refund' && (status === null || status === 202 || status >= 500))
        .map(({ order_no }) => order_no),
    );
    const paymentsByOrder = Map.groupBy(view.final.payments, ({ order_no }) => order_no);
    for (const { order_no, status } of view.final.orders) {
      const payments = paymentsByOrder.get(order_no) ?? [];
      const kept = payments.filter((payment) => payment.status === 'succeeded').length;
      const goingBack = payments.filter((payment) => payment.status === 'refund_pending').length;
      const isBeingRefunded = kept === 0 && goingBack > 0 && refundAsked.has(order_no);
      if (status === 'paid' && kept !== 1 && !isBeingRefunded)
        yield `order ${order_no} is paid, and ${kept} of its ${payments.length} payments have succeeded`;
      if (status !== 'paid' && kept > 0) yield `order ${order_no} is ${status}, and ${kept} payments of it were kept`;
      if (status === 'refunded' && !payments.some((payment) => payment.status === 'refunded'))
        yield `order ${order_no} is refunded, and none of its payments is`;
    }
  }
  const sightingsOf = Map.groupBy(record.paymentSightings, ({ payment_id }) => payment_id);
  for (const [payment_id, sightings] of sightingsOf) {
    for (const [i, { status, at_ms }] of sightings.entries()) {
      const before = sightings[i - 1];
      if (before !== undefined && !paymentCanBecome(before.status, status))
        yield `payment ${payment_id} went from ${before.status} to ${status} before ${at_ms}`;
    }
  }
};

function* paymentsOf({ facts, final, orders }: SaleView): Iterable<string> {
  for (const { payment_id, order_no, status, amount_cents } of final.payments) {
    if (!paymentCanBecome('started', status)) yield `payment ${payment_id} is ${status}`;
    if (amount_cents !== facts.price_cents)
      yield `payment ${payment_id} is about ${amount_cents} cents, and order ${order_no} about ${facts.price_cents}`;
    const order = orders.get(order_no);
    if (order === undefined || order.status === 'failed')
      yield `payment ${payment_id} is for order ${order_no}, which is ${order?.status ?? 'nowhere'}`;
  }
}
