import { describe, expect, it } from 'vitest';
import { listActions } from '../../src/operator/operator-actions-table.ts';
import { readCounters } from '@flash-sale/shared/sale/sale-counters-table.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { insertOrderEvents } from '@flash-sale/shared/order-events/order-events-table.ts';
import { applyPaymentEvent } from '@flash-sale/shared/order-moves/apply-payment-event.ts';
import { cancelOrder } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { requestRefund } from '@flash-sale/shared/order-moves/request-refund.ts';
import { auditSale } from '@flash-sale/shared/reconciliation/audit.ts';
import { buy, takeLease } from '@flash-sale/shared/testing/buying.ts';
import { openPayment, placeOrder, placeOrders } from '@flash-sale/shared/testing/ordering.ts';
import { AS_OPERATOR, openTestApp } from '../../testing/support.ts';

const { context, app } = await openTestApp();

const exportOf = (user: string, query = '') => app.get(`/api/v1/admin/shoppers/${user}/export${query}`, AS_OPERATOR);
const erase = (user: string) => app.post(`/api/v1/admin/shoppers/${user}/erase`, undefined, AS_OPERATOR);
async function pay(order: Order): Promise<void> {
  const paymentId = await openPayment(context, order.orderNo);
  await applyPaymentEvent(context, 'sandbox', { eventId: `s ${paymentId}`, paymentId, kind: 'succeeded' });
}
/** As clean-up leaves it a day after the end. */
const cleanUp = (sale: Sale) =>
  context.db.updateTable('products').set({ cleaned_at: new Date() }).where('id', '=', sale.id).execute();
const giveBack = async (sale: Sale, owners: readonly Order[]): Promise<void> => {
  const lease = await takeLease(context, sale);
  await context.commands.giveBack(sale, lease, owners);
  await context.commands.releaseLease(sale, lease);
  await context.db
    .updateTable('stock_returns')
    .set({ applied_at: new Date() })
    .where('product_id', '=', sale.id)
    .execute();
};
const namesIn = async (sale: Sale): Promise<string[]> => {
  const rows = await context.db.selectFrom('orders').select('user_id').where('product_id', '=', sale.id).execute();
  return rows.map(({ user_id: userId }) => userId);
};
const actions = () => listActions(context.db, { limit: 5 });

describe('GET /api/v1/admin/shoppers/:userId/export', () => {
  it('returns every order of the shopper with its history and payments, page by page, and no other’s', async () => {
    const orders: Order[] = [];
    for (let i = 0; i < 3; i += 1) orders.push(await placeOrder(context, await context.openSale(), 'exported'));
    await pay(orders[0]!);
    await placeOrder(context, await context.openSale(), 'exported2');

    const first = (await exportOf('exported', '?limit=2')).json<{
      orders: { order_no: string }[];
      next_cursor: string;
    }>();
    expect(first.orders.map((order) => order.order_no)).toEqual([orders[2]!.orderNo, orders[1]!.orderNo]);
    const second = (await exportOf('exported', `?limit=2&cursor=${first.next_cursor}`)).json<object>();
    expect(second).toMatchObject({
      user_id: 'exported',
      orders: [
        {
          order_no: orders[0]!.orderNo,
          status: 'paid',
          history: [{ to_status: 'paid' }],
          payments: [{ status: 'succeeded', amount: 19.99 }],
        },
      ],
      next_cursor: null,
    });
    expect((await actions())[0]).toMatchObject({ action: 'export', subject: 'shopper exported', role: 'admin' });
  });

  it('is one action of an operator, however many pages it has: each page was one', async () => {
    for (let i = 0; i < 3; i += 1) await placeOrder(context, await context.openSale(), 'paged');
    const recorded = async () =>
      (await listActions(context.db, { limit: 100 })).filter(({ subject }) => subject === 'shopper paged');
    let query = '?limit=1';
    for (let page = 0; page < 3; page += 1) {
      const { next_cursor: cursor } = (await exportOf('paged', query)).json<{ next_cursor: string }>();
      query = `?limit=1&cursor=${cursor}`;
    }
    expect(await recorded()).toHaveLength(1);
    // The next export is another action.
    await exportOf('paged');
    expect(await recorded()).toHaveLength(2);
  });

  it.each<[string, string, Record<string, string>, (() => Promise<unknown>)?]>([
    ['whose first page was not read', 'u-cursor', {}],
    ['whose first page was read by another operator', 'u-other', { 'operator-name': 'eve' }, () => exportOf('u-other')],
    ['whose first page is another shopper’s, in other letters', 'U-CASE', {}, () => exportOf('u-case')],
    [
      'whose first page was read more than an hour ago',
      'u-late',
      {},
      async () => {
        await exportOf('u-late');
        const earlier = new Date(Date.now() - 3_601_000);
        await context.db.updateTable('operator_actions').set({ created_at: earlier }).execute();
      },
    ],
  ])('records a page %s: a cursor can be made up', async (_, user, name, before) => {
    await before?.();
    const newest = async () => (await listActions(context.db, { limit: 1 }))[0]?.id ?? 0;
    const id = await newest();
    const cursor = `7ZZZZZZZZZZZZZZZZZZZZZZZZZ-0-1`;
    const url = `/api/v1/admin/shoppers/${user}/export?cursor=${cursor}`;
    expect((await app.get(url, { ...AS_OPERATOR, ...name })).statusCode).toBe(200);
    expect(await newest()).toBeGreaterThan(id);
  });

  it('is for operators', async () => {
    expect(await app.get('/api/v1/admin/shoppers/alice/export')).toBeProblem('unauthenticated');
    expect(await app.post('/api/v1/admin/shoppers/alice/erase')).toBeProblem('unauthenticated');
  });
});

it.each(['%', '/', '"'])('takes the longest id there may be, of %s', async (character) => {
  const user = character.repeat(255);
  await placeOrder(context, await context.openSale(), user);
  expect((await exportOf(encodeURIComponent(user))).json()).toMatchObject({
    user_id: user,
    orders: [{ user_id: user }],
  });
});

describe('POST /api/v1/admin/shoppers/:userId/erase', () => {
  it('replaces the name by a pseudonym that no shopper can have; orders and sums stay', async () => {
    const sale = await context.openSale();
    const orders = await placeOrders(context, sale, ['forget', 'stay']);
    await pay(orders[0]!);
    const cancelled = await placeOrder(context, await context.openSale(), 'forget');
    await cancelOrder(context, cancelled, { actor: 'shopper' });
    await giveBack({ ...sale, id: cancelled.productId }, [cancelled]);
    await exportOf('forget');
    await cleanUp(sale);
    const sums = await readCounters(context.db, sale.id);

    const answer = await erase('forget');
    expect(answer.statusCode).toBe(200);
    const { pseudonym, orders: renamed } = answer.json<{ pseudonym: string; orders: number }>();
    expect(renamed).toBe(2);
    expect(pseudonym).toMatch(/^erased [0-9a-f]{20}$/);
    expect((await namesIn(sale)).toSorted()).toEqual([pseudonym, 'stay']);
    expect(await namesIn({ ...sale, id: cancelled.productId })).toEqual([pseudonym]);
    const returned = await context.db
      .selectFrom('stock_returns')
      .select('user_id')
      .where('order_no', '=', cancelled.orderNo)
      .executeTakeFirstOrThrow();
    expect(returned.user_id).toBe(pseudonym);

    // The ledger adds up as before, and the sale that goes on selling as well.
    expect(await readCounters(context.db, sale.id)).toEqual(sums);
    const ref = { id: cancelled.productId, shard: sale.shard };
    expect(await auditSale(context, ref, { waitMs: 5_000, thorough: true })).toMatchObject({ verdict: 'clean' });
    expect((await exportOf('forget')).json()).toMatchObject({ orders: [], next_cursor: null });
    expect((await app.get('/api/v1/orders?user_id=forget')).json()).toMatchObject({ items: [] });
    // Nobody can ask in the pseudonym's name.
    expect(await app.get(`/api/v1/orders?user_id=${encodeURIComponent(pseudonym)}`)).toBeProblem('invalid_request');
    // What operators did is recorded under the pseudonym alone, the export from before included.
    await erase('forget');
    const subjects = (await actions()).map(({ action, subject }) => `${action} ${subject}`);
    expect(subjects).toContain(`export shopper ${pseudonym}`);
    expect(subjects).toContain(`erase shopper ${pseudonym}`);
    // The export that was asked for after the erasure is the last word of the name, and goes with
    // the next one.
    expect(subjects.filter((subject) => subject.endsWith('shopper forget'))).toEqual([]);
  });

  it('keeps the one live order per shopper: the old name can buy in a sale in which the erased shopper has none', async () => {
    const sale = await context.openSale();
    const order = await placeOrder(context, sale, 'again');
    await cancelOrder(context, order, { actor: 'shopper' });
    await giveBack(sale, [order]);
    expect((await erase('again')).statusCode).toBe(200);
    const next = await placeOrder(context, sale, 'again');
    expect(next.orderNo).not.toBe(order.orderNo);
    expect(await erase('again')).toBeProblem('invalid_state');
  });

  it.each([
    ['waits for payment', async (sale: Sale) => placeOrder(context, sale, 'kept')],
    ['is live, and its sale', async (sale: Sale) => pay(await placeOrder(context, sale, 'kept'))],
    [
      'is live, and its sale',
      async (sale: Sale) => {
        await pay(await placeOrder(context, sale, 'kept'));
        // As after a loss of Redis.
        await context.redis.hdel(context.keys.sale(sale).owners, 'kept');
      },
    ],
    ['is live, and its sale', async (sale: Sale) => buy(context, sale, ['kept'])],
    [
      'has a unit that is on its way back',
      async (sale: Sale) => cancelOrder(context, await placeOrder(context, sale, 'kept'), { actor: 'shopper' }),
    ],
    [
      'has an order event that was not delivered',
      async (sale: Sale) => {
        const order = await placeOrder(context, sale, 'kept');
        await pay(order);
        await cleanUp(sale);
        const { db } = context;
        await db.transaction().execute((tx) => insertOrderEvents(tx, sale.id, [order], Date.now()));
      },
    ],
    [
      'has a payment that is being refunded',
      async (sale: Sale) => {
        const order = await placeOrder(context, sale, 'kept');
        await pay(order);
        await requestRefund(context, order, 'operator');
        await cleanUp(sale);
      },
    ],
    [
      'belongs to a sale that is being archived',
      async (sale: Sale) => {
        await pay(await placeOrder(context, sale, 'kept'));
        await context.db
          .updateTable('products')
          .set({ cleaned_at: new Date(), archiving_at: new Date() })
          .where('id', '=', sale.id)
          .execute();
      },
    ],
  ])('is refused while an order %s, and changes nothing', async (why, prepare) => {
    const sale = await context.openSale();
    await prepare(sale);
    const before = await actions();
    const answer = await erase('kept');
    expect(answer).toBeProblem('invalid_state');
    expect(answer.json<{ detail: string }>().detail).toContain(why);
    expect((await namesIn(sale)).every((name) => name === 'kept')).toBe(true);
    expect(await actions()).toEqual(before);
    // Out of the way of the next case.
    await context.db.deleteFrom('orders').where('user_id', '=', 'kept').execute();
    await context.redis.hdel(context.keys.sale(sale).owners, 'kept');
  });

  it('leaves no name in the record of who was denied and allowed again; the deny list keeps its entry', async () => {
    const path = '/api/v1/admin/deny-list';
    await app.post(path, { user_id: 'denied' }, AS_OPERATOR);
    await app.server.inject({ method: 'DELETE', url: `${path}?user_id=denied`, headers: AS_OPERATOR });
    await app.post(path, { user_id: 'denied' }, AS_OPERATOR);
    const { pseudonym } = (await erase('denied')).json<{ pseudonym: string }>();
    expect((await actions()).slice(0, 4).map(({ action, subject }) => `${action} ${subject}`)).toEqual([
      `erase shopper ${pseudonym}`,
      `deny shopper ${pseudonym}`,
      `allow shopper ${pseudonym}`,
      `deny shopper ${pseudonym}`,
    ]);
    expect((await app.get(path, AS_OPERATOR)).json()).toMatchObject({ items: [{ user_id: 'denied' }] });
    await app.server.inject({ method: 'DELETE', url: `${path}?user_id=denied`, headers: AS_OPERATOR });
  });

  it('changes nothing of a shopper whose name differs in case only', async () => {
    await placeOrder(context, await context.openSale(), 'CASE');
    await exportOf('CASE');
    await exportOf('case');
    const { pseudonym, orders } = (await erase('case')).json<{ pseudonym: string; orders: number }>();
    expect(orders).toBe(0);
    expect((await exportOf('CASE')).json<{ orders: object[] }>().orders).toHaveLength(1);
    expect((await actions()).slice(0, 4).map(({ action, subject }) => `${action} ${subject}`)).toEqual([
      'export shopper CASE',
      `erase shopper ${pseudonym}`,
      `export shopper ${pseudonym}`,
      'export shopper CASE',
    ]);
  });

  it('also answers for an unknown shopper', async () => {
    expect((await erase('nobody')).json()).toMatchObject({ orders: 0 });
  });
});
