import type { Order, OrderStatus } from '../../src/order/order.ts';
import type { PaymentEvent } from '../../src/payment/payment.ts';
import { applyPaymentEvent } from '../../src/order-moves/apply-payment-event.ts';
import { cancelOrder, expireOrders } from '../../src/order-moves/cancel-and-expire.ts';
import { openPayment, placeOrder } from '../../testing/ordering.ts';
import type { TestContext } from '../../testing/support.ts';

let events = 0;
/** An event of the provider that was never sent before. */
export const eventOf = (paymentId: string, kind: PaymentEvent['kind']): PaymentEvent => ({
  eventId: `event-${(events += 1)}`,
  paymentId,
  kind,
});
export const apply = (context: TestContext, event: PaymentEvent) => applyPaymentEvent(context, 'sandbox', event);
export const tell = (context: TestContext, paymentId: string, kind: PaymentEvent['kind']) =>
  apply(context, eventOf(paymentId, kind));
/** The status that pollers read from Redis; undefined if they are sent to the ledger. */
export const statusInRedis = async (context: TestContext, { orderNo, productId }: Order) =>
  (await context.commands.readOrder({ shard: 0, id: productId }, orderNo)).settled?.status;

/** An order with that status, reached by real moves. */
export async function orderIn(context: TestContext, status: OrderStatus): Promise<Order> {
  const order = await placeOrder(context, await context.openSale());
  if (status === 'cancelled') await cancelOrder(context, order, { actor: 'shopper' });
  if (status === 'expired') await expireOrders(context, order.productId, [order.orderNo]);
  if (status === 'paid' || status === 'refunded') {
    const payment = await openPayment(context, order.orderNo);
    await tell(context, payment, 'succeeded');
    if (status === 'refunded') await tell(context, payment, 'refunded');
  }
  // Only the order writer and admission lead to these two.
  if (status === 'failed' || status === 'queued') {
    await context.db.updateTable('orders').set({ status }).where('order_no', '=', order.orderNo).execute();
  }
  return order;
}
