import { describe, expect, test } from 'vitest';
import { insertOrders } from '../../src/order/orders-table.ts';
import { markCleaned, salesToCleanUp } from '../../src/sale/clean-up-table.ts';
import { addSold, findSale, listSales, listShards, salesToKeep, updatePaused } from '../../src/sale/products-table.ts';
import { lockSale, stampFence } from '../../src/sale/stamps-table.ts';
import { insertStockReturns, markReturnsApplied } from '../../src/order/stock-returns-table.ts';
import { sharedTokenSecret } from '../../src/seckill-token/token-secrets-table.ts';
import { connectDb } from '../../src/platform/mysql/client.ts';
import { sql } from 'kysely';
import { newBatchNo, newOrderNumber } from '../../src/order/order-number.ts';
import type { OrderStatus } from '../../src/order/order.ts';
import type { Sale } from '../../src/sale/sale.ts';
import { aLockIsWaitedFor } from '../../testing/row-locks.ts';
import { testContext } from '../../testing/support.ts';

const context = await testContext();

describe('a sale in the ledger', () => {
  test('is read exactly as it was written, to the millisecond', async () => {
    const sale = await context.insertSale({
      startMs: 1_800_000_000_123,
      endMs: 1_800_000_000_124,
      name: 'Größe 😀 ',
    });
    expect(await findSale(context.db, sale.id)).toEqual(sale);
    expect(await findSale(context.db, 999_999)).toBeUndefined();
  });

  test('is paused with a version that rises with every pause and resume, also in parallel', async () => {
    const sale = await context.insertSale();
    await Promise.all([true, false, true, false].map((paused) => updatePaused(context.db, sale.id, paused)));
    const last = await updatePaused(context.db, sale.id, true);
    expect(last).toMatchObject({ paused: true, pauseVersion: 5, version: 1 });
    expect(await updatePaused(context.db, 999_999, true)).toBeUndefined();
  });

  test('cannot be paused while it is being archived: a refused call changes nothing', async () => {
    const sale = await context.insertSale();
    await context.db.updateTable('products').set({ archiving_at: new Date() }).where('id', '=', sale.id).execute();
    expect(await updatePaused(context.db, sale.id, true)).toBeUndefined();
    const row = context.db.selectFrom('products').select(['paused', 'pause_version']).where('id', '=', sale.id);
    expect(await row.executeTakeFirst()).toEqual({ paused: 0, pause_version: 0 });
  });

  test('is listed newest first, page by page', async () => {
    const made = [await context.insertSale(), await context.insertSale(), await context.insertSale()];
    const first = await listSales(context.db, 2);
    expect(first).toEqual([made[2], made[1]]);
    expect((await listSales(context.db, 1, made[1]!.id))[0]).toEqual(made[0]);
  });

  test('names its shard, which workers use', async () => {
    await context.insertSale({ shard: 3 });
    await context.insertSale({ shard: 3 });
    expect((await listShards(context.db)).filter((shard) => shard === 3)).toEqual([3]);
  });
});

describe('a sale that is over', () => {
  const endedMs = 1_700_000_000_000;
  const insertEnded = () => context.insertSale({ startMs: endedMs - 60_000, endMs: endedMs });
  const toCleanUp = async (beforeMs: number) => (await salesToCleanUp(context.db, 0, beforeMs)).map(({ id }) => id);
  const kept = async () => (await salesToKeep(context.db)).map(({ id }) => id);

  const newOrder = (sale: Sale, status: OrderStatus) => ({
    orderNo: newOrderNumber(sale, newBatchNo(endedMs)),
    quantity: 1,
    productId: sale.id,
    userId: 'u1',
    status,
    priceCents: 1,
    version: 1,
    createdAtMs: endedMs,
  });

  test('is cleaned up once, and kept until then', async () => {
    const sale = await insertEnded();
    expect(await toCleanUp(endedMs)).not.toContain(sale.id);
    expect(await toCleanUp(endedMs + 1)).toContain(sale.id);
    expect(await kept()).toContain(sale.id);
    // Another process holds the sale by now.
    await markCleaned(context.db, sale.id, 7);
    expect(await kept()).toContain(sale.id);
    await markCleaned(context.db, sale.id, 0);
    expect(await toCleanUp(endedMs + 1)).not.toContain(sale.id);
    expect(await kept()).not.toContain(sale.id);
    expect(await findSale(context.db, sale.id)).toEqual({ ...sale, cleaned: true });
  });

  test('is not cleaned up while an order waits for its payment, with any other orders', async () => {
    const [waiting, done] = [await insertEnded(), await insertEnded()];
    const orders = [newOrder(waiting, 'pending_payment'), newOrder(done, 'paid'), newOrder(done, 'expired')];
    await context.db.transaction().execute((tx) => insertOrders(tx, orders));
    const found = await toCleanUp(endedMs + 1);
    expect(found).toContain(done.id);
    expect(found).not.toContain(waiting.id);
  });

  test('is not cleaned up while a unit of it must be given back', async () => {
    const sale = await insertEnded();
    const order = newOrder(sale, 'expired');
    await context.db.transaction().execute((tx) => insertStockReturns(tx, [order], endedMs));
    expect(await toCleanUp(endedMs + 1)).not.toContain(sale.id);
    await markReturnsApplied(context.db, [order.orderNo]);
    expect(await toCleanUp(endedMs + 1)).toContain(sale.id);
  });
});

describe('the row of a sale', () => {
  test('is locked only for the holder of the highest stamp: a holder that was frozen longer than its lease writes nothing', async () => {
    const sale = await context.insertSale({ seckillStock: 8 });
    await stampFence(context.db, sale.id, 1);
    const lock = (fence: number) => context.db.transaction().execute((tx) => lockSale(tx, sale.id, fence));
    expect(await lock(1)).toMatchObject({ seckillStock: 8, sold: 0 });
    await stampFence(context.db, sale.id, 2);
    expect(await lock(1)).toBeUndefined();
    expect(await lock(2)).toMatchObject({ seckillStock: 8, sold: 0 });
  });

  test('makes a stamp wait for the transaction that holds it, so that earlier writes come first', async () => {
    const sale = await context.insertSale();
    await stampFence(context.db, sale.id, 1);
    const order: string[] = [];
    let next: Promise<unknown> = Promise.resolve();
    await context.db.transaction().execute(async (tx) => {
      await lockSale(tx, sale.id, 1);
      next = stampFence(context.db, sale.id, 2).then(() => order.push('stamped'));
      await aLockIsWaitedFor(context.db);
      await addSold(tx, sale.id, 3);
      order.push('written');
    });
    await next;
    expect(order).toEqual(['written', 'stamped']);
  });
});

describe('the connections of a writer', () => {
  test('are dropped by the server 5 s after their process froze, and wait 3 s for a lock', async () => {
    const db = connectDb(context.config, 'lease');
    try {
      const { rows } = await sql`
        SELECT @@SESSION.wait_timeout AS wait_timeout, @@SESSION.innodb_lock_wait_timeout AS lock_wait,
          @@SESSION.time_zone AS time_zone`.execute(db);
      expect(rows).toEqual([{ wait_timeout: 5, lock_wait: 3, time_zone: '+00:00' }]);
    } finally {
      await db.destroy();
    }
  });
});

describe('the shared secret of seckill tokens', () => {
  test('is the same for all processes that race to create it, and stays', async () => {
    const made = new Set(await Promise.all(Array.from({ length: 12 }, () => sharedTokenSecret(context.db))));
    expect(made.size).toBe(1);
    const [secret] = made;
    expect(Buffer.from(secret!, 'base64url')).toHaveLength(32);
    expect(await sharedTokenSecret(context.db)).toBe(secret);
  });
});
