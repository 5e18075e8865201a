import { describe, expect, it } from 'vitest';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { placeOrders } from '@flash-sale/shared/testing/ordering.ts';
import { AS_OPERATOR, openTestApp, settleOrder } from '../../testing/support.ts';

const { context, app } = await openTestApp();

const buy = async (sale: Sale, user: string, quantity?: unknown) =>
  app.buy(sale, user, await app.tokenOf(sale, user), quantity);

describe('a buy with a quantity', () => {
  it('is one order of that many units, which costs their total', async () => {
    const sale = await context.openSale({ unitsPerShopper: 3, priceCents: 1_050 });
    const answer = await buy(sale, 'alice', 3);
    expect(answer.statusCode).toBe(202);
    const { order_no: orderNo, ...rest } = answer.json<{ order_no: string }>();
    expect(rest).toEqual({ status: 'queued', quantity: 3 });
    const poll = async () => (await app.get(`/api/v1/orders/${orderNo}`)).json<object>();
    const expected = { order_no: orderNo, price: 10.5, quantity: 3, total: 31.5 };
    expect(await poll()).toMatchObject({ ...expected, status: 'queued' });
    await settleOrder(context, sale, orderNo);
    expect(await poll()).toMatchObject({ ...expected, status: 'pending_payment' });
    expect((await app.get(`/api/v1/products/${sale.id}`)).json()).toMatchObject({ available: 7, units_per_shopper: 3 });
    const paid = await app.post(`/api/v1/orders/${orderNo}/pay`, { user_id: 'alice', sandbox: 'never' });
    expect(paid.json()).toMatchObject({ amount: 31.5 });
    const { items } = (await app.get('/api/v1/orders?user_id=alice')).json<{ items: object[] }>();
    expect(items).toMatchObject([expected]);
  });

  it('is of one unit unless it says otherwise', async () => {
    const sale = await context.openSale({ unitsPerShopper: 3 });
    expect((await buy(sale, 'alice')).json()).toMatchObject({ quantity: 1 });
  });

  it('that asks for more than is left is told how many are', async () => {
    const sale = await context.openSale({ seckillStock: 2, unitsPerShopper: 3 });
    const refused = await buy(sale, 'alice', 3);
    expect(refused).toBeProblem('sold_out');
    expect(refused.json()).toMatchObject({ available: 2 });
    expect((await buy(sale, 'alice', 2)).json()).toMatchObject({ quantity: 2 });
    const none = await buy(sale, 'bob');
    expect(none).toBeProblem('sold_out');
    expect(none.json()).toMatchObject({ available: 0 });
  });

  it.each([0, -1, 1.5, 101, '2', null, [2]])('is not valid with %j', async (quantity) => {
    const sale = await context.openSale({ unitsPerShopper: 100 });
    const answer = await buy(sale, 'alice', quantity);
    expect(answer).toBeProblem('invalid_request');
    expect(answer.json<{ detail: string }>().detail).toContain('body/quantity');
  });

  it('is not valid if the sale does not allow that many, and says what it allows', async () => {
    const sale = await context.openSale({ unitsPerShopper: 2 });
    const answer = await buy(sale, 'alice', 3);
    expect(answer).toBeProblem('invalid_request');
    expect(answer.json()).toMatchObject({ detail: 'body/quantity must be <= 2' });
    expect(await context.commands.readSale(sale)).toMatchObject({ available: 10, held: 0 });
  });

  it('of a retry is not read: the answer is the standing order', async () => {
    const sale = await context.openSale({ unitsPerShopper: 3 });
    const token = await app.tokenOf(sale, 'alice');
    const { order_no: orderNo } = (await app.buy(sale, 'alice', token, 3)).json<{ order_no: string }>();
    for (const quantity of [1, 2, 3, 50]) {
      const again = await app.buy(sale, 'alice', token, quantity);
      expect(again.statusCode).toBe(202);
      expect(again.json()).toMatchObject({ order_no: orderNo, quantity: 3, replayed: true });
    }
    expect(await context.commands.readSale(sale)).toMatchObject({ available: 7, held: 3 });
  });

  it('of a sale that Redis does not keep any more is that of the order in the ledger', async () => {
    const sale = await context.openSale({ unitsPerShopper: 3 });
    const [order] = await placeOrders(context, sale, ['alice'], { quantity: 2 });
    const token = await app.tokenOf(sale, 'alice');
    const long = new Date(Date.now() - 3 * 86_400_000);
    await context.db.updateTable('products').set({ end_time: long }).where('id', '=', sale.id).execute();
    await expect
      .poll(async () => (await app.buy(sale, 'alice', token, 1)).json<object>())
      .toMatchObject({ order_no: order!.orderNo, quantity: 2, replayed: true });
  });
});

describe('operators', () => {
  const facts = () => ({
    name: 'two per customer',
    price: 9.99,
    stock: 100,
    seckill_stock: 10,
    start_time: new Date(Date.now() - 1_000).toISOString(),
    end_time: new Date(Date.now() + 3_600_000).toISOString(),
  });
  const create = (fields: object) => app.post('/api/v1/admin/products', { ...facts(), ...fields }, AS_OPERATOR);
  const edit = (id: number, payload: object) =>
    app.server.inject({ method: 'PATCH', url: `/api/v1/admin/products/${id}`, payload, headers: AS_OPERATOR });

  it('create a sale of one unit to a shopper, or of more, and edit that', async () => {
    expect((await create({})).json()).toMatchObject({ units_per_shopper: 1 });
    const { id } = (await create({ units_per_shopper: 2 })).json<{ id: number }>();
    const sale = { id } as Sale;
    expect(await buy(sale, 'alice', 3)).toBeProblem('invalid_request');
    expect((await edit(id, { units_per_shopper: 3 })).json()).toMatchObject({ units_per_shopper: 3 });
    expect((await buy(sale, 'alice', 3)).statusCode).toBe(202);
    const { items } = (await app.get('/api/v1/admin/actions?limit=1', AS_OPERATOR)).json<{ items: object[] }>();
    expect(items).toMatchObject([
      { action: 'edit', detail: { units_per_shopper: 3, instead_of: { units_per_shopper: 2 } } },
    ]);
    for (const units of [0, 101, 1.5])
      expect(await create({ units_per_shopper: units })).toBeProblem('invalid_request');
  });

  it('see units, not owners, in figures, statistics and files', async () => {
    const sale = await context.openSale({ unitsPerShopper: 3, priceCents: 500 });
    await placeOrders(context, sale, ['alice'], { quantity: 3 });
    await placeOrders(context, sale, ['bob']);
    const listed = (await app.get('/api/v1/admin/products?limit=1', AS_OPERATOR)).json<{ items: object[] }>();
    expect(listed.items).toMatchObject([{ id: sale.id, available: 6, held: 4, sold: 4 }]);
    const stats = (await app.get(`/api/v1/admin/products/${sale.id}/stats`, AS_OPERATOR)).json<object>();
    expect(stats).toMatchObject({ written: 2, sold: 4 });
    const csv = (await app.get(`/api/v1/admin/orders.csv?product_id=${sale.id}`, AS_OPERATOR)).body;
    const lines = csv.split('\r\n').map((line) => line.split(',').slice(4, 7).join());
    expect(lines.slice(0, 3)).toEqual(['price,quantity,total', '5.00,1,5.00', '5.00,3,15.00']);
    const exported = (await app.get('/api/v1/admin/shoppers/alice/export', AS_OPERATOR)).json<{ orders: object[] }>();
    expect(exported.orders[0]).toMatchObject({ quantity: 3, total: 15 });
  });
});
