import { applyPaymentEvent } from '@flash-sale/shared/order-moves/apply-payment-event.ts';
import { cancelOrder, expireOrders } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import type { PaymentAnswer, PaymentProvider, Webhook } from '@flash-sale/shared/payment/provider.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import { openPayment, placeOrder } from '@flash-sale/shared/testing/ordering.ts';
import type { TestApp, TestContext } from '../../testing/support.ts';

/** A provider whose pages and refunds cost nothing, and which may fail or be slow on purpose. */
export class StubProvider implements PaymentProvider {
  readonly name: PaymentProvider['name'];
  readonly started: string[] = [];
  readonly ended: string[] = [];
  endsAs: () => Promise<PaymentAnswer> = () => Promise.resolve({ now: 'declined' });
  meanwhile: () => Promise<void> = () => Promise.resolve();

  constructor(name: PaymentProvider['name'] = 'sandbox') {
    this.name = name;
  }

  minimumCents(): number {
    return 1;
  }
  async start({ paymentId }: { paymentId: string }) {
    this.started.push(paymentId);
    await this.meanwhile();
    return { providerRef: `ref-${paymentId}`, url: `https://pay.test/${paymentId}` };
  }
  verifyWebhook(): Promise<Webhook> {
    return Promise.resolve({ ignored: 'unreadable' });
  }
  read(): Promise<PaymentAnswer> {
    return Promise.resolve({ now: 'open' });
  }
  refund(): Promise<PaymentAnswer> {
    return Promise.resolve({ now: 'refunded' });
  }
  expire({ paymentId }: { paymentId: string }): Promise<PaymentAnswer> {
    this.ended.push(paymentId);
    return this.endsAs();
  }
}

export const pay = (app: TestApp, { orderNo }: Pick<Order, 'orderNo'>, body: object = { user_id: 'alice' }) =>
  app.post(`/api/v1/orders/${orderNo}/pay`, body);
export const cancel = (app: TestApp, { orderNo }: Pick<Order, 'orderNo'>, body: object = { user_id: 'alice' }) =>
  app.post(`/api/v1/orders/${orderNo}/cancel`, body);
export const poll = async (app: TestApp, { orderNo }: Order) =>
  (await app.get(`/api/v1/orders/${orderNo}`)).json<{ status: string }>();
export const newOrder = async (context: TestContext): Promise<Order> =>
  placeOrder(context, await context.openSale({ priceCents: 1_050 }));

let events = 0;
export const tell = (context: TestContext, paymentId: string, kind: 'succeeded' | 'declined' | 'refunded') =>
  applyPaymentEvent(context, 'sandbox', { eventId: `e${(events += 1)}`, paymentId, kind });

/** An order with that status, reached by real moves. */
export async function orderIn(
  context: TestContext,
  status: 'paid' | 'refunded' | 'cancelled' | 'expired',
): Promise<Order> {
  const order = await newOrder(context);
  if (status === 'cancelled') await cancelOrder(context, order, { actor: 'shopper' });
  if (status === 'expired') await expireOrders(context, order.productId, [order.orderNo]);
  if (status === 'paid' || status === 'refunded') {
    const payment = await openPayment(context, order.orderNo);
    await tell(context, payment, 'succeeded');
    if (status === 'refunded') await tell(context, payment, 'refunded');
  }
  return order;
}
