import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { insertOrderEvents } from '@flash-sale/shared/order-events/order-events-table.ts';
import { insertOrders } from '@flash-sale/shared/order/orders-table.ts';
import { findSale, listSales } from '@flash-sale/shared/sale/products-table.ts';
import { beginArchiving, shoppersToArchiveQuery } from '../../src/retention/retention-table.ts';
import { newBatchNo, newOrderNumber } from '@flash-sale/shared/order/order-number.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { requestRefund } from '@flash-sale/shared/order-moves/request-refund.ts';
import { planOf } from '@flash-sale/shared/testing/query-plan.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { DAY_MS, NOTHING, oldSale, readArchive, retire, round, rowCounts } from '../retired-sales.ts';

let context: TestContext;
let folder: string;
beforeEach(async () => {
  context = await openTestContext();
  folder = await mkdtemp(join(tmpdir(), 'flash-sale-archive-'));
  onTestFinished(async () => {
    await context.close();
    await rm(folder, { recursive: true });
  });
});

describe('a sale that ended long ago', () => {
  test('is archived with the seed of its waiting room, which proves the draw, and without the key of its tickets', async () => {
    const { sale } = await oldSale(context);
    const [seed, ticketKey] = ['5e'.repeat(32), '7c'.repeat(32)];
    const secrets = { room_opens_at: new Date(0), room_seed: seed, room_ticket_key: ticketKey };
    await context.db.updateTable('products').set(secrets).where('id', '=', sale.id).execute();
    await round(context, folder);
    const archive = JSON.stringify((await readArchive(folder)).lines);
    expect(archive).toContain(seed);
    expect(archive).not.toContain(ticketKey);
  });

  test('is archived completely, then deleted completely', async () => {
    const { sale, orders } = await oldSale(context);
    const recent = await oldSale(context, 29);
    const before = await rowCounts(context);
    await round(context, folder);

    const { path, lines } = await readArchive(folder);
    expect(lines[0]!.sale).toMatchObject({ id: sale.id, sold: 1 });
    expect(lines[0]!.sale!.counters.map(({ name }) => name)).toContain('revenue_cents');
    expect(lines.at(-1)).toEqual({ end: { orders: 3 } });
    const archived = new Map(lines.slice(1, -1).map(({ order }) => [order!.order_no, order!]));
    expect(archived.get(orders[0]!.orderNo)).toMatchObject({
      user_id: 'alice',
      status: 'paid',
      history: [{ to_status: 'paid' }],
      payments: [{ status: 'succeeded', events: [{ kind: 'succeeded' }] }],
      stock_return: null,
    });
    expect(archived.get(orders[1]!.orderNo)).toMatchObject({ status: 'cancelled', stock_return: { user_id: 'bob' } });
    expect(archived.get(orders[2]!.orderNo)!.payments[0]!.events).toHaveLength(2);
    expect((await stat(path)).mode & 0o077).toBe(0);

    // The other sale has half of everything.
    const half = Object.fromEntries(Object.entries(before).map(([table, count]) => [table, count / 2]));
    expect(await rowCounts(context)).toEqual(half);
    expect(await findSale(context.db, recent.sale.id)).toBeDefined();
  });

  test('with thousands of orders is archived by an index, each order once, shoppers with many orders included', async () => {
    const sale = await context.insertSale({ seckillStock: 5_000 });
    const nowMs = Date.now();
    const order = (userId: string, status: Order['status']): Order => {
      const facts = { productId: sale.id, priceCents: 1, quantity: 1, version: 1, createdAtMs: nowMs };
      return { orderNo: newOrderNumber(sale, newBatchNo(nowMs)), userId, status, ...facts };
    };
    const orders = [
      ...Array.from({ length: 1_500 }, () => order('busy', 'cancelled')),
      order('busy', 'paid'),
      ...Array.from({ length: 1_000 }, (_, i) => order(`u${i}`, 'paid')),
    ];
    await context.db.transaction().execute((tx) => insertOrders(tx, orders));
    await retire(context, sale, 31);
    const [step] = await planOf(context.db, shoppersToArchiveQuery(context.db, sale.id, 'busy', 10));
    expect(step).toMatchObject({ sorts: false, indexOnly: true });

    await round(context, folder);
    const { lines } = await readArchive(folder);
    const archived = lines.slice(1, -1).map((line) => line.order!.order_no);
    expect(archived.toSorted()).toEqual(orders.map(({ orderNo }) => orderNo).toSorted());
    expect(await rowCounts(context)).toEqual(NOTHING);
  });

  test.each([
    [
      'an unpaid order',
      (_: Sale, [paid]: readonly Order[]) =>
        context.db
          .updateTable('orders')
          .set({ status: 'pending_payment' })
          .where('order_no', '=', paid!.orderNo)
          .execute(),
    ],
    [
      'a unit that is not back yet',
      () => context.db.updateTable('stock_returns').set({ applied_at: null }).limit(1).execute(),
    ],
    ['a refund under way', (_: Sale, [paid]: readonly Order[]) => requestRefund(context, paid!, 'operator')],
    [
      'an event that is not delivered',
      (sale: Sale, [paid]: readonly Order[]) =>
        context.db.transaction().execute((tx) => insertOrderEvents(tx, sale.id, [paid!], Date.now())),
    ],
    [
      'keys in Redis',
      (sale: Sale) => context.db.updateTable('products').set({ cleaned_at: null }).where('id', '=', sale.id).execute(),
    ],
  ])('is kept for as long as it has %s', async (_what, keep) => {
    const { sale, orders } = await oldSale(context);
    await (keep as (sale: Sale, orders: readonly Order[]) => Promise<unknown>)(sale, orders);
    await context.db
      .updateTable('products')
      .set({ end_time: new Date(Date.now() - 31 * DAY_MS) })
      .execute();
    const before = await rowCounts(context);
    await round(context, folder);
    expect(await rowCounts(context)).toEqual(before);
    expect(await readdir(folder)).toEqual([]);
    expect(await findSale(context.db, sale.id)).toBeDefined();
  });
});

test('an event that has been dead for the retention time does not keep its sale any more', async () => {
  const { sale, orders } = await oldSale(context);
  const { db } = context;
  await db.transaction().execute((tx) => insertOrderEvents(tx, sale.id, [orders[0]!], Date.now()));
  const dead = (days: number) =>
    db
      .updateTable('order_events')
      .set({ dead_at: new Date(Date.now() - days * DAY_MS) })
      .execute();
  await dead(29);
  await round(context, folder);
  expect(await findSale(db, sale.id)).toBeDefined();
  await dead(31);
  await round(context, folder);
  expect(await rowCounts(context)).toEqual(NOTHING);
});

describe('after its archiving begins', () => {
  test('no order of a sale moves, and it is not found any more', async () => {
    const { sale, orders } = await oldSale(context);
    expect(await beginArchiving(context.db, sale.id)).toBe(true);
    await expect(requestRefund(context, orders[0]!, 'operator')).rejects.toMatchObject({ code: 'not_found' });
    expect(await findSale(context.db, sale.id)).toBeUndefined();
    expect(await listSales(context.db, 10)).toEqual([]);
    expect(await beginArchiving(context.db, sale.id)).toBe(false);
  });
});
