import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { connectDb, type Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { insertOrders } from '@flash-sale/shared/order/orders-table.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { aLockIsWaitedFor, lockSaleRow, readLedger } from '../ledger.ts';
import { openMysqlProxy } from '../mysql-proxy.ts';
import { admitAll, shoppers } from '../shoppers.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import { reservationsOf, writerOf } from './ledger-writing.ts';

let context: TestContext;
let ledgerDb: Db;
beforeAll(async () => {
  context = await openTestContext();
  ledgerDb = connectDb(context.config, 'lease');
});
afterAll(async () => {
  await ledgerDb.destroy();
  await context.close();
});

describe('a transaction that MySQL aborts is run again as a whole', () => {
  test('if another transaction holds the row for a moment', async () => {
    const sale = await context.openSale();
    await admitAll(context, sale, shoppers(2));
    const { writer, lease } = await writerOf(context, ledgerDb, sale);
    const reservations = await reservationsOf(context, sale, lease);
    const lock = await lockSaleRow(context.config, sale);

    const writing = writer.write(reservations);
    await aLockIsWaitedFor(context.db);
    await lock.release();
    await writing;

    expect(await readLedger(context.db, sale)).toMatchObject({ sold: 2, orders: { length: 2 } });
  });

  test('if the row is held for longer than the lock wait (1205)', async () => {
    const sale = await context.openSale();
    await admitAll(context, sale, shoppers(2));
    const { writer, lease, retries } = await writerOf(context, ledgerDb, sale);
    const reservations = await reservationsOf(context, sale, lease);
    const lock = await lockSaleRow(context.config, sale);

    const writing = writer.write(reservations);
    await expect.poll(retries, SOON).toBeGreaterThan(0);
    await lock.release();
    await writing;

    expect(await readLedger(context.db, sale)).toMatchObject({ sold: 2, orders: { length: 2 } });
  });

  test('if it is the victim of a deadlock (1213)', async () => {
    const sale = await context.openSale({ seckillStock: 20 });
    await admitAll(context, sale, [...shoppers(3), 'contested']);
    const { writer, lease, retries } = await writerOf(context, ledgerDb, sale);
    const reservations = await reservationsOf(context, sale, lease);
    // A transaction that takes its locks in the wrong order, and has changed more rows than the
    // writer, which makes InnoDB pick the writer.
    const other = await context.db.startTransaction().execute();
    const planted = [...shoppers(200, 'planted'), 'contested'];
    await insertOrders(
      other,
      planted.map((userId, i) => ({
        orderNo: `planted-${i}`,
        productId: sale.id,
        userId,
        status: 'pending_payment',
        priceCents: 1,
        quantity: 1,
        createdAtMs: 0,
        version: 1,
      })),
    );

    const writing = writer.write(reservations);
    await aLockIsWaitedFor(context.db);
    await other.updateTable('products').set({ stock: 1 }).where('id', '=', sale.id).execute();
    await expect.poll(retries, SOON).toBeGreaterThan(0);
    await other.rollback().execute();
    await writing;

    expect(await readLedger(context.db, sale)).toMatchObject({ sold: 4, orders: { length: 4 } });
  });

  test('if its connection is killed before COMMIT', async () => {
    const sale = await context.openSale();
    await admitAll(context, sale, shoppers(3));
    const { writer, lease, retries } = await writerOf(context, ledgerDb, sale);
    const reservations = await reservationsOf(context, sale, lease);
    const lock = await lockSaleRow(context.config, sale);

    const writing = writer.write(reservations);
    const [connection] = await aLockIsWaitedFor(context.db);
    await sql`KILL ${sql.lit(connection!)}`.execute(context.db);
    await expect.poll(retries, SOON).toBeGreaterThan(0);
    await lock.release();
    await writing;

    expect(await readLedger(context.db, sale)).toMatchObject({ sold: 3, orders: { length: 3 } });
  });

  test.each(['lose_request', 'lose_reply'] as const)(
    'when its connection is lost at COMMIT (%s): each order exactly once',
    async (fault) => {
      const sale = await context.openSale();
      await admitAll(context, sale, shoppers(4));
      const proxy = await openMysqlProxy({ host: context.config.DB_HOST, port: context.config.DB_PORT });
      const db = connectDb({ ...context.config, DB_HOST: proxy.host, DB_PORT: proxy.port }, 'lease');
      onTestFinished(() => db.destroy());
      const { writer, lease, retries } = await writerOf(context, db, sale);
      const reservations = await reservationsOf(context, sale, lease);
      // Stamped before, so that the lost transaction is not the one that carries the stamp.
      await writer.write(reservations.slice(0, 1));

      const spoilt = proxy.spoilNextCommit(fault);
      const written = await writer.write(reservations);
      await spoilt;

      expect(written).toHaveLength(4);
      expect(await retries()).toBe(1);
      expect(await readLedger(context.db, sale)).toMatchObject({ sold: 4, orders: { length: 4 }, returns: [] });
    },
  );
});
