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
        .map(({ order_no: orderNo }) => orderNo),
    );
    const paymentsByOrder = Map.groupBy(view.final.payments, ({ order_no: orderNo }) => orderNo);
    for (const { order_no: orderNo, status } of view.final.orders) {
      const payments = paymentsByOrder.get(orderNo) ?? [];
      const kept = payments.filter((payment) => payment.status === 'succeeded').length;
      const goingBack = payments.filter((payment) => payment.status === 'refund_pending').length;
      const isBeingRefunded = kept === 0 && goingBack > 0 && refundAsked.has(orderNo);
      if (status === 'paid' && kept !== 1 && !isBeingRefunded)
        yield `order ${orderNo} is paid, and ${kept} of its ${payments.length} payments have succeeded`;
      if (status !== 'paid' && kept > 0) yield `order ${orderNo} is ${status}, and ${kept} payments of it were kept`;
      if (status === 'refunded' && !payments.some((payment) => payment.status === 'refunded'))
        yield `order ${orderNo} is refunded, and none of its payments is`;
    }
  }
  const sightingsOf = Map.groupBy(record.paymentSightings, ({ payment_id: paymentId }) => paymentId);
  for (const [paymentId, sightings] of sightingsOf) {
    for (const [i, { status, at_ms: atMs }] of sightings.entries()) {
      const before = sightings[i - 1];
      if (before !== undefined && !paymentCanBecome(before.status, status))
        yield `payment ${paymentId} went from ${before.status} to ${status} before ${atMs}`;
    }
  }
};

function* paymentsOf({ facts, final, orders }: SaleView): Iterable<string> {
  for (const { payment_id: paymentId, order_no: orderNo, status, amount_cents: amountCents } of final.payments) {
    if (!paymentCanBecome('started', status)) yield `payment ${paymentId} is ${status}`;
    const order = orders.get(orderNo);
    const totalCents = facts.price_cents * (order?.quantity ?? 1);
    if (amountCents !== totalCents)
      yield `payment ${paymentId} is about ${amountCents} cents, and order ${orderNo} about ${totalCents}`;
    if (order === undefined || order.status === 'failed')
      yield `payment ${paymentId} is for order ${orderNo}, which is ${order?.status ?? 'nowhere'}`;
  }
}
