import { afterAll, describe, expect, it } from 'vitest';
import type { Order } from '@flash-sale/shared/order/order.ts';
import { ledgerOf, placeOrders } from '@flash-sale/shared/testing/ordering.ts';
import { openApp, openTestApp, AS_OPERATOR, type TestApp } from '../../testing/support.ts';
import { pay } from '../order/orders-in.ts';

const STRIPE = {
  PAYMENT_PROVIDER: 'stripe',
  STRIPE_SECRET_KEY: 'sk_test_1',
  STRIPE_WEBHOOK_SECRET: 'whsec_1',
};
const { context, app: withSandbox } = await openTestApp({ CURRENCY: 'EUR' });
const withStripe = await openApp(context, STRIPE);
const inKoruna = await openApp(context, { ...STRIPE, CURRENCY: 'CZK' });
afterAll(() => Promise.all([withStripe.close(), inKoruna.close()]));

const HOUR_MS = 3_600_000;
const open = (on: TestApp, price: number) =>
  on.post(
    '/api/v1/admin/products',
    {
      name: 'cheap',
      price,
      stock: 10,
      seckill_stock: 10,
      start_time: new Date(Date.now() + HOUR_MS).toISOString(),
      end_time: new Date(Date.now() + 2 * HOUR_MS).toISOString(),
    },
    AS_OPERATOR,
  );
const edit = (on: TestApp, id: number, payload: object) =>
  on.server.inject({ method: 'PATCH', url: `/api/v1/admin/products/${id}`, payload, headers: AS_OPERATOR });

describe('a price below what Stripe charges', () => {
  it.each([
    [withStripe, 0.01, '0.5'],
    [withStripe, 0.49, '0.5'],
    [inKoruna, 14.99, '15'],
  ])('is refused when the sale is created: each payment would fail', async (on, price, least) => {
    const before = await context.db.selectFrom('products').select('id').execute();
    const answer = await open(on, price);
    expect(answer).toBeProblem('invalid_request');
    expect(answer.json()).toMatchObject({
      detail: `body/price must be at least ${least}, the minimum of the payment provider`,
    });
    expect(await context.db.selectFrom('products').select('id').execute()).toEqual(before);
  });

  it('is refused when a sale is changed, and the lowest possible price is not', async () => {
    const created = await open(withStripe, 0.5);
    expect(created.statusCode).toBe(201);
    const { id } = created.json<{ id: number }>();
    expect(await edit(withStripe, id, { price: 0.49 })).toBeProblem('invalid_request');
    expect((await edit(withStripe, id, { price: 0.51 })).statusCode).toBe(200);
  });

  it('gets no seckill token if the sale is from before the change to Stripe, and can be raised before the start', async () => {
    const created = await open(withSandbox, 0.01);
    expect(created.statusCode).toBe(201);
    const { id } = created.json<{ id: number }>();
    const token = (on: TestApp) => on.post('/api/v1/seckill/token', { user_id: 'alice', product_id: id });
    const refused = await token(withStripe);
    expect(refused).toBeProblem('invalid_state');
    expect(refused.json()).toMatchObject({ detail: 'The price is below the minimum of the payment provider' });
    expect((await token(withSandbox)).statusCode).toBe(200);
    expect((await edit(withStripe, id, { price: 1 })).statusCode).toBe(200);
    expect((await token(withStripe)).statusCode).toBe(200);
  });

  it('of an order whose seckill token is from before the change: paying it says that it cannot be paid, until it expires', async () => {
    const sale = await context.openSale({ priceCents: 20, unitsPerShopper: 3 });
    const [two] = (await placeOrders(context, sale, ['alice'], { quantity: 2 })) as [Order];
    const refused = await pay(withStripe, two);
    expect(refused).toBeProblem('invalid_state');
    expect(refused.json()).toMatchObject({ detail: 'The total is below the minimum of the payment provider' });
    expect(await ledgerOf(context, two)).toMatchObject({ status: 'pending_payment', payments: [] });
    // A page of the former provider on which the shopper may still pay stays open.
    expect((await pay(withSandbox, two)).statusCode).toBe(200);
    expect(await pay(withStripe, two)).toBeProblem('invalid_state');
    expect(await ledgerOf(context, two)).toMatchObject({ payments: ['started'] });
  });
});
