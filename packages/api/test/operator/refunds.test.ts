import { describe, expect, it } from 'vitest';
import { freePort } from '../../../../infra/src/services/ports.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import { applyPaymentEvent } from '@flash-sale/shared/order-moves/apply-payment-event.ts';
import { cancelOrder, expireOrders } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { ledgerOf, openPayment, placeOrder } from '@flash-sale/shared/testing/ordering.ts';
import { AS_OPERATOR, openTestApp } from '../../testing/support.ts';

const port = await freePort();
const { context, app } = await openTestApp({ PUBLIC_URL: `http://127.0.0.1:${port}` });
await app.server.listen({ host: '127.0.0.1', port });

const refund = ({ orderNo }: Pick<Order, 'orderNo'>, headers: Record<string, string> = AS_OPERATOR) =>
  app.post(`/api/v1/admin/orders/${orderNo}/refund`, undefined, headers);
const fileOf = ({ orderNo }: Pick<Order, 'orderNo'>, headers: Record<string, string> = AS_OPERATOR) =>
  app.get(`/api/v1/admin/orders/${orderNo}`, headers);
const newOrder = async (): Promise<Order> => placeOrder(context, await context.openSale());
const tell = (paymentId: string, kind: 'succeeded' | 'refunded', eventId = `${kind}-${paymentId}`) =>
  applyPaymentEvent(context, 'sandbox', { eventId, paymentId, kind });
async function paidOrder(): Promise<Order & { payment_id: string }> {
  const order = await newOrder();
  const paymentId = await openPayment(context, order.orderNo);
  await tell(paymentId, 'succeeded');
  return { ...order, payment_id: paymentId };
}

describe('POST /api/v1/admin/orders/:orderNo/refund', () => {
  it('asks for the money to go back; the order is refunded and its unit free once the provider says so', async () => {
    const order = await paidOrder();
    const answer = await refund(order);
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toMatchObject({ order_no: order.orderNo, status: 'paid' });
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'paid', payments: ['refund_pending'], sold: 1 });

    // Like the payment calls of a worker; the sandbox sends its events to the api over HTTP.
    await app.deps.providers.current.refund({ paymentId: order.payment_id } as never);
    await expect.poll(async () => (await ledgerOf(context, order)).status, { timeout: 10_000 }).toBe('refunded');
    expect(await ledgerOf(context, order)).toMatchObject({
      payments: ['refunded'],
      sold: 0,
      returned: true,
      history: [{ toStatus: 'paid' }, { toStatus: 'refunded', actor: 'operator', reason: order.payment_id }],
    });
    expect((await app.get(`/api/v1/orders/${order.orderNo}`)).json()).toMatchObject({ status: 'refunded' });
  });

  it('asked again while it is under way changes nothing, and once it is done neither', async () => {
    const order = await paidOrder();
    await Promise.all([refund(order), refund(order), refund(order)]);
    expect((await refund(order)).statusCode).toBe(202);
    await tell(order.payment_id, 'refunded');
    const before = await ledgerOf(context, order);
    const again = await refund(order);
    expect([again.statusCode, again.json()]).toMatchObject([202, { status: 'refunded' }]);
    expect(await ledgerOf(context, order)).toEqual(before);
  });

  it('is refused for an order that the provider has refunded without being asked', async () => {
    const order = await paidOrder();
    await tell(order.payment_id, 'refunded');
    expect((await refund(order)).json()).toMatchObject({ code: 'invalid_state', detail: 'The order is refunded' });
  });

  it('is refused for orders that are not paid, by their state', async () => {
    const [open, cancelled, expired] = [await newOrder(), await newOrder(), await newOrder()];
    await cancelOrder(context, cancelled, { actor: 'shopper' });
    await expireOrders(context, expired.productId, [expired.orderNo]);
    for (const [order, status] of [
      [open, 'pending_payment'],
      [cancelled, 'cancelled'],
      [expired, 'expired'],
    ] as const) {
      const answer = await refund(order);
      expect(answer).toBeProblem('invalid_state');
      expect(answer.json()).toMatchObject({ detail: `The order is ${status}` });
    }
    const orderNo = await app.win(await context.openSale(), 'alice');
    expect((await refund({ orderNo })).json()).toMatchObject({ detail: 'The order is queued' });
  });

  it('is for operators, and for orders that exist', async () => {
    const order = await paidOrder();
    expect(await refund(order, {})).toBeProblem('unauthenticated');
    expect(await refund({ orderNo: '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-999999' })).toBeProblem('not_found');
    expect(await refund({ orderNo: 'nonsense' })).toBeProblem('not_found');
    expect(await ledgerOf(context, order)).toMatchObject({ payments: ['succeeded'] });
  });
});

describe('GET /api/v1/admin/orders/:orderNo', () => {
  it('shows who moved the order, when and why, and where its money is: a late payment with its refund, too', async () => {
    const order = await newOrder();
    const paymentId = await openPayment(context, order.orderNo);
    await cancelOrder(context, order, { actor: 'shopper' });
    await tell(paymentId, 'succeeded');
    const time: unknown = expect.stringMatching(/^\d{4}-.*Z$/);
    const answer = await fileOf(order);
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({
      order_no: order.orderNo,
      user_id: 'alice',
      status: 'cancelled',
      history: [{ from_status: 'pending_payment', to_status: 'cancelled', actor: 'shopper', reason: null, time }],
      payments: [
        {
          payment_id: paymentId,
          provider: 'sandbox',
          provider_ref: `ref-${paymentId}`,
          status: 'refund_pending',
          amount: 19.99,
          currency: 'CNY',
          created_at: time,
          updated_at: time,
        },
      ],
    });
  });

  it('shows a queued order, which has neither yet', async () => {
    const orderNo = await app.win(await context.openSale(), 'alice');
    expect((await fileOf({ orderNo })).json()).toMatchObject({ status: 'queued', history: [], payments: [] });
  });

  it('is for operators, and for orders that exist', async () => {
    const order = await newOrder();
    expect(await fileOf(order, {})).toBeProblem('unauthenticated');
    expect(await fileOf({ orderNo: '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-999999' })).toBeProblem('not_found');
  });
});
