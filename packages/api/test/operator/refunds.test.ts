import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../../../infra/src/services/ports.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import { applyPaymentEvent } from '@flash-sale/shared/order-moves/apply-payment-event.ts';
import { cancelOrder, expireOrders } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { ledgerOf, openPayment, placeOrder } from '@flash-sale/shared/testing/ordering.ts';
import { AS_OPERATOR, openApp, openTestContext, type TestApp, type TestContext } from '../../testing/support.ts';

let context: TestContext;
let app: TestApp;
beforeAll(async () => {
  context = await openTestContext();
  const port = await freePort();
  app = await openApp(context, { PUBLIC_URL: `http://127.0.0.1:${port}` });
  await app.server.listen({ host: '127.0.0.1', port });
});
afterAll(async () => {
  await app.close();
  await context.close();
});

const refund = ({ order_no }: Pick<Order, 'order_no'>, headers: Record<string, string> = AS_OPERATOR) =>
  app.post(`/api/v1/admin/orders/${order_no}/refund`, undefined, headers);
const fileOf = ({ order_no }: Pick<Order, 'order_no'>, headers: Record<string, string> = AS_OPERATOR) =>
  app.get(`/api/v1/admin/orders/${order_no}`, headers);
const newOrder = async (): Promise<Order> => placeOrder(context, await context.openSale());
const tell = (payment_id: string, kind: 'succeeded' | 'refunded', event_id = `${kind}-${payment_id}`) =>
  applyPaymentEvent(context, 'sandbox', { event_id, payment_id, kind });
async function paidOrder(): Promise<Order & { payment_id: string }> {
  const order = await newOrder();
  const payment_id = await openPayment(context, order.order_no);
  await tell(payment_id, 'succeeded');
  return { ...order, payment_id };
}

describe('POST /api/v1/admin/orders/:orderNo/refund', () => {
  it('asks for the money to go back; the order is refunded and its unit free once the provider says so', async () => {
    const order = await paidOrder();
    const answer = await refund(order);
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toMatchObject({ order_no: order.order_no, status: 'paid' });
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'paid', payments: ['refund_pending'], sold: 1 });

    // Like the payment calls of a worker; the sandbox sends its events to the api over HTTP.
    await app.deps.provider.refund({ payment_id: order.payment_id } as never);
    await expect.poll(async () => (await ledgerOf(context, order)).status, { timeout: 10_000 }).toBe('refunded');
    expect(await ledgerOf(context, order)).toMatchObject({
      payments: ['refunded'],
      sold: 0,
      returned: true,
      history: [{ to_status: 'paid' }, { to_status: 'refunded', actor: 'operator', reason: order.payment_id }],
    });
    expect((await app.get(`/api/v1/orders/${order.order_no}`)).json()).toMatchObject({ status: 'refunded' });
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
    await expireOrders(context, expired.product_id, [expired.order_no]);
    for (const [order, status] of [
      [open, 'pending_payment'],
      [cancelled, 'cancelled'],
      [expired, 'expired'],
    ] as const) {
      const answer = await refund(order);
      expect(answer).toBeProblem('invalid_state');
      expect(answer.json()).toMatchObject({ detail: `The order is ${status}` });
    }
    const order_no = await app.win(await context.openSale(), 'alice');
    expect((await refund({ order_no })).json()).toMatchObject({ detail: 'The order is queued' });
  });

  it('is for operators, and for orders that exist', async () => {
    const order = await paidOrder();
    expect(await refund(order, {})).toBeProblem('unauthenticated');
    expect(await refund({ order_no: '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-999999' })).toBeProblem('not_found');
    expect(await refund({ order_no: 'nonsense' })).toBeProblem('not_found');
    expect(await ledgerOf(context, order)).toMatchObject({ payments: ['succeeded'] });
  });
});

describe('GET /api/v1/admin/orders/:orderNo', () => {
  it('shows who moved the order, when and why, and where its money is: a late payment with its refund, too', async () => {
    const order = await newOrder();
    const payment_id = await openPayment(context, order.order_no);
    await cancelOrder(context, order, { actor: 'shopper' });
    await tell(payment_id, 'succeeded');
    const time: unknown = expect.stringMatching(/^\d{4}-.*Z$/);
    const answer = await fileOf(order);
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({
      order_no: order.order_no,
      user_id: 'alice',
      status: 'cancelled',
      history: [{ from_status: 'pending_payment', to_status: 'cancelled', actor: 'shopper', reason: null, time }],
      payments: [
        {
          payment_id,
          provider: 'sandbox',
          provider_ref: `ref-${payment_id}`,
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
    const order_no = await app.win(await context.openSale(), 'alice');
    expect((await fileOf({ order_no })).json()).toMatchObject({ status: 'queued', history: [], payments: [] });
  });

  it('is for operators, and for orders that exist', async () => {
    const order = await newOrder();
    expect(await fileOf(order, {})).toBeProblem('unauthenticated');
    expect(await fileOf({ order_no: '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-999999' })).toBeProblem('not_found');
  });
});
