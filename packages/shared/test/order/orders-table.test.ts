import { sql } from 'kysely';
import { beforeAll, describe, expect, test } from 'vitest';
import { connectDb } from '../../src/platform/mysql/client.ts';
import {
  findLiveOrder,
  findOrder,
  findOrders,
  insertOrders,
  listOrdersOfUser,
  ordersOfUserQuery,
  liveOwners,
} from '../../src/order/orders-table.ts';
import {
  insertStockReturns,
  markReturnsApplied,
  salesWithReturns,
  unappliedReturns,
} from '../../src/order/stock-returns-table.ts';
import { newBatchNo, newOrderNumber } from '../../src/order/order-number.ts';
import { ordersToExpireQuery } from '../../src/order-moves/orders-to-expire.ts';
import { ORDER_STATUSES, type Order } from '../../src/order/order.ts';
import type { Sale } from '../../src/sale/sale.ts';
import { planOf } from '../../testing/query-plan.ts';
import { testContext } from '../../testing/support.ts';

const context = await testContext();

let madeMs = 1_800_000_000_000;
/** An order that is newer than every other. */
function newOrder(sale: Sale, fields: Partial<Order> = {}): Order {
  madeMs += 1;
  return {
    orderNo: newOrderNumber(sale, newBatchNo(madeMs)),
    productId: sale.id,
    userId: 'u1',
    status: 'pending_payment',
    priceCents: 1_999,
    quantity: 1,
    createdAtMs: madeMs,
    version: 1,
    ...fields,
  };
}

const insert = (...orders: Order[]) => context.db.transaction().execute((tx) => insertOrders(tx, orders));

describe('an order in the ledger', () => {
  test('is read exactly as it was written, to the millisecond and the byte', async () => {
    const sale = await context.insertSale();
    const order = newOrder(sale, { userId: `"'\\%_{}#\`;--`, priceCents: 1_000_000_000, createdAtMs: madeMs });
    const failed = newOrder(sale, { status: 'failed', reason: 'no_unit', userId: 'u2' });
    await insert(order, failed);
    expect(await findOrder(context.db, order.orderNo)).toEqual(order);
    expect(await findOrder(context.db, failed.orderNo)).toEqual(failed);
    const found = await findOrders(context.db, [failed.orderNo, 'none', order.orderNo]);
    expect(found).toHaveLength(2);
    expect(found).toEqual(expect.arrayContaining([order, failed]));
  });

  test('is found by its exact number only', async () => {
    const order = newOrder(await context.insertSale());
    await insert(order);
    for (const other of [order.orderNo.toLowerCase(), `${order.orderNo}0`, order.orderNo.slice(0, -1), '']) {
      expect(await findOrder(context.db, other)).toBeUndefined();
    }
    expect(await findOrders(context.db, [])).toEqual([]);
  });

  test('is inserted with all others of its batch or not at all', async () => {
    const sale = await context.insertSale();
    const good = newOrder(sale, { userId: 'good' });
    await expect(insert(good, newOrder(sale), newOrder(sale))).rejects.toThrow('Duplicate');
    expect(await findOrder(context.db, good.orderNo)).toBeUndefined();
  });

  test('can be one of a thousand in a statement', async () => {
    const sale = await context.insertSale({ seckillStock: 1_000 });
    const orders = Array.from({ length: 1_000 }, (_, i) => newOrder(sale, { userId: `many-${i}` }));
    await insert(...orders);
    expect(await liveOwners(context.db, sale.id)).toHaveLength(1_000);
  });
});

describe('one live order per shopper and sale', () => {
  test('is enforced by the ledger itself, for any number of closed orders', async () => {
    const sale = await context.insertSale();
    for (const status of ['cancelled', 'cancelled', 'expired', 'refunded', 'failed', 'failed'] as const) {
      await insert(newOrder(sale, { status }));
    }
    const live = newOrder(sale);
    await insert(live);
    await expect(insert(newOrder(sale))).rejects.toThrow('Duplicate');
    await expect(insert(newOrder(sale, { status: 'paid' }))).rejects.toThrow('Duplicate');
    expect(await findLiveOrder(context.db, sale.id, 'u1')).toEqual(live);
    // Closed, it makes room for the next.
    await context.db.updateTable('orders').set({ status: 'cancelled' }).where('order_no', '=', live.orderNo).execute();
    expect(await findLiveOrder(context.db, sale.id, 'u1')).toBeUndefined();
    await insert(newOrder(sale));
  });

  test('compares the bytes of the id: look-alikes are different shoppers in every lookup', async () => {
    const sale = await context.insertSale();
    const users = ['u1', 'U1', 'u1 ', 'ú1', ' u1', 'u1\0', 'u'];
    const orders = users.map((userId) => newOrder(sale, { userId }));
    await insert(...orders);
    for (const [i, userId] of users.entries()) {
      expect((await findLiveOrder(context.db, sale.id, userId))?.orderNo).toBe(orders[i]!.orderNo);
      const listed = await listOrdersOfUser(context.db, userId, 100);
      expect(listed.filter(({ productId }) => productId === sale.id)).toHaveLength(1);
    }
  });

  test('is separate for each sale', async () => {
    const [a, b] = [await context.insertSale(), await context.insertSale()];
    await insert(newOrder(a), newOrder(b));
    expect((await findLiveOrder(context.db, b.id, 'u1'))?.productId).toBe(b.id);
  });

  test.each(ORDER_STATUSES.filter((status) => status !== 'queued'))(
    'counts an order that is %s as it should',
    async (status) => {
      const sale = await context.insertSale();
      await insert(newOrder(sale, { status }));
      const holdsUnit = status === 'pending_payment' || status === 'paid';
      expect(await liveOwners(context.db, sale.id)).toHaveLength(holdsUnit ? 1 : 0);
    },
  );
});

describe('a shopper’s orders', () => {
  test('are listed newest first, page by page, without a gap or an order twice', async () => {
    const sales = await Promise.all(Array.from({ length: 7 }, () => context.insertSale()));
    const orders = sales.map((sale) => newOrder(sale, { userId: 'reader' }));
    await insert(...orders);
    const numbers = (page: readonly Order[]) => page.map(({ orderNo }) => orderNo);
    const expected = numbers(orders).toReversed();
    const read: string[] = [];
    for (let before: string | undefined; ; before = read.at(-1)) {
      const page = numbers(await listOrdersOfUser(context.db, 'reader', 3, before));
      read.push(...page);
      if (page.length < 3) break;
    }
    expect(read).toEqual(expected);
  });

  test('are read by their index: no more rows than are returned, on the first page and on a later one', async () => {
    const sale = await context.insertSale();
    const users = Array.from({ length: 50 }, (_, i) => `plan-${i}`);
    const orders = Array.from({ length: 40 }, () =>
      users.map((userId) => newOrder(sale, { userId, status: 'failed' })),
    );
    for (const batch of orders) await insert(...batch);
    await sql`ANALYZE TABLE orders`.execute(context.db);
    // One connection, since its server counts what it reads for it.
    const db = connectDb({ ...context.config, DB_POOL_MAX: 1 }, 'general');
    try {
      for (const before of [undefined, orders[20]![7]!.orderNo]) {
        await sql`FLUSH STATUS`.execute(db);
        expect(await listOrdersOfUser(db, 'plan-7', 10, before)).toHaveLength(10);
        const { rows } = await sql<{ Variable_name: string; Value: string }>`
          SHOW SESSION STATUS WHERE Variable_name LIKE 'Handler_read%' OR Variable_name LIKE 'Sort_rows'`.execute(db);
        const counts = Object.fromEntries(rows.map((row) => [row.Variable_name, Number(row.Value)]));
        const read = Object.entries(counts).filter(([name]) => name.startsWith('Handler_read'));
        expect(read.reduce((sum, [, count]) => sum + count, 0)).toBeLessThanOrEqual(12);
        expect(counts['Sort_rows']).toBe(0);
      }
    } finally {
      await db.destroy();
    }
  });
});

describe('a unit that has to go back', () => {
  test('is found until it is marked, which only happens once', async () => {
    const sale = await context.insertSale();
    const orders = [newOrder(sale, { status: 'failed' }), newOrder(sale, { status: 'failed', userId: 'U1' })];
    await context.db.transaction().execute((tx) => insertStockReturns(tx, orders, 1_800_000_000_123));
    const due = orders.map(({ orderNo, userId }) => ({ orderNo, userId }));
    const appliedAt = async () => {
      const rows = await context.db.selectFrom('stock_returns').selectAll().orderBy('order_no').execute();
      return new Map(rows.map((row) => [row.order_no, row.applied_at]));
    };
    expect(await salesWithReturns(context.db, 0)).toEqual([{ id: sale.id, shard: 0, cleaned: false }]);
    expect(await unappliedReturns(context.db, sale.id, 10)).toEqual(expect.arrayContaining(due));
    expect(await unappliedReturns(context.db, sale.id, 1)).toHaveLength(1);

    await markReturnsApplied(context.db, [orders[0]!.orderNo]);
    expect(await unappliedReturns(context.db, sale.id, 10)).toEqual([due[1]]);
    const first = (await appliedAt()).get(orders[0]!.orderNo);
    const numbers = due.map(({ orderNo }) => orderNo);
    await markReturnsApplied(context.db, numbers);
    expect(await salesWithReturns(context.db, 0)).toEqual([]);
    const applied = await appliedAt();
    expect(applied.get(orders[0]!.orderNo)).toEqual(first);
    expect(applied.get(orders[1]!.orderNo)!.getTime()).toBeGreaterThanOrEqual(first!.getTime());
  });

  test('is recorded once per order: a second close of it is refused', async () => {
    const order = newOrder(await context.insertSale(), { status: 'failed' });
    const record = () => context.db.transaction().execute((tx) => insertStockReturns(tx, [order], madeMs));
    await record();
    await expect(record()).rejects.toThrow('Duplicate');
    await markReturnsApplied(context.db, [order.orderNo]);
  });
});

describe('by an index, however many orders there are', () => {
  beforeAll(async () => {
    const sales = await Promise.all([context.insertSale(), context.insertSale()]);
    const expiresAtMs = madeMs - 1_000_000;
    for (const sale of sales) {
      const rows = Array.from({ length: 3_000 }, (_, i) =>
        newOrder(sale, { userId: `reader-${i % 50}`, status: i % 3 === 0 ? 'expired' : 'cancelled', expiresAtMs }),
      );
      await insert(...rows);
    }
    await sql`ANALYZE TABLE orders`.execute(context.db);
  });

  test('my orders are read in their order, without sorting', async () => {
    for (const before of [undefined, newOrderNumber({ id: 1, shard: 0 }, newBatchNo(madeMs))]) {
      const plan = await planOf(context.db, ordersOfUserQuery(context.db, 'reader-7', 20, before));
      expect(plan).toMatchObject([{ key: 'by_user', sorts: false }]);
    }
  });

  test('orders to expire are read oldest first, without sorting', async () => {
    const plan = await planOf(context.db, ordersToExpireQuery(context.db, 500, []));
    expect(plan).toMatchObject([
      { key: 'by_expiry', sorts: false },
      // Payments whose orders are due: hardly ever any; or, on MySQL, the payments of each order.
      { key: expect.stringMatching(/^(by_order_due_at|one_open_payment)$/), sorts: false },
    ]);
  });
});
