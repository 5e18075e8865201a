import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectDb, type Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { insertOrders } from '@flash-sale/shared/order/orders-table.ts';
import { stampFence } from '@flash-sale/shared/sale/stamps-table.ts';
import { LeaseLost } from '@flash-sale/shared/sale/lease.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { FenceBehind } from '../../src/order-writer/ledger-writer.ts';
import { readLedger, refuseOrdersOf } from '../ledger.ts';
import { admitAll, shoppers } from '../shoppers.ts';
import { reservationsOf, setSold, statusesOf, writerOf } from './ledger-writing.ts';

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

describe('a batch of reservations', () => {
  test('becomes rows with the admitted facts, and sold rises by their number', async () => {
    const sale = await context.openSale();
    const orderNos = await admitAll(context, sale, shoppers(4));
    const { writer, lease, metrics } = await writerOf(context, ledgerDb, sale);
    const reservations = await reservationsOf(context, sale, lease);

    const written = await writer.write(reservations);

    expect(written.map(({ orderNo }) => orderNo).toSorted()).toEqual(orderNos.toSorted());
    const ledger = await readLedger(context.db, sale);
    expect(ledger).toMatchObject({ sold: 4, fence: lease.fencingToken, returns: [] });
    expect(statusesOf(ledger.orders)).toEqual(Array(4).fill('pending_payment'));
    expect(
      (await metrics.writeBatch.get()).values.find(({ metricName }) => metricName?.endsWith('_count'))?.value,
    ).toBe(1);
    const rows = await context.db.selectFrom('orders').selectAll().where('product_id', '=', sale.id).execute();
    for (const {
      order_no: orderNo,
      user_id: userId,
      price_cents: priceCents,
      created_at: createdAt,
      version,
    } of rows) {
      const admitted = reservations.find((reservation) => reservation.orderNo === orderNo);
      expect({ userId, priceCents, admittedMs: createdAt.getTime() }).toEqual({
        userId: admitted?.userId,
        priceCents: sale.priceCents,
        admittedMs: admitted?.admittedMs,
      });
      expect(version).toBe(1);
    }
  });

  test('is written once however often it is sent, and returns the orders as they are now', async () => {
    const sale = await context.openSale();
    await admitAll(context, sale, shoppers(3));
    const { writer, lease } = await writerOf(context, ledgerDb, sale);
    const reservations = await reservationsOf(context, sale, lease);
    await writer.write(reservations);
    const paid = reservations[0]!.orderNo;
    await context.db.updateTable('orders').set({ status: 'paid', version: 2 }).where('order_no', '=', paid).execute();

    const again = await writer.write(reservations);

    expect(again.find(({ orderNo }) => orderNo === paid)).toMatchObject({ status: 'paid', version: 2 });
    expect(await readLedger(context.db, sale)).toMatchObject({ sold: 3, orders: { length: 3 } });
  });

  test('that was partly written is completed', async () => {
    const sale = await context.openSale();
    await admitAll(context, sale, shoppers(5));
    const { writer, lease } = await writerOf(context, ledgerDb, sale);
    const reservations = await reservationsOf(context, sale, lease);
    await writer.write(reservations.slice(1, 3));

    const orders = await writer.write(reservations);

    expect(orders).toHaveLength(5);
    expect(await readLedger(context.db, sale)).toMatchObject({ sold: 5, orders: { length: 5 } });
  });
});

describe('a reservation that holds no unit', () => {
  test('fails as not_owner if its owner entry is missing or names another order, and its unit is recorded as a return', async () => {
    const sale = await context.openSale();
    const [robbed, freed, sound] = await admitAll(context, sale, ['robbed', 'freed', 'sound']);
    const { owners } = context.keys.sale(sale);
    await context.redis.hset(owners, 'robbed', 'another order');
    await context.redis.hdel(owners, 'freed');
    const { writer, lease } = await writerOf(context, ledgerDb, sale);

    await writer.write(await reservationsOf(context, sale, lease));

    const { orders, sold, returns } = await readLedger(context.db, sale);
    expect(
      Object.fromEntries(orders.map(({ order_no: orderNo, status, reason }) => [orderNo, [status, reason]])),
    ).toEqual({
      [robbed!]: ['failed', 'not_owner'],
      [freed!]: ['failed', 'not_owner'],
      [sound!]: ['pending_payment', null],
    });
    expect(sold).toBe(1);
    expect(returns.map(({ order_no: orderNo }) => orderNo)).toEqual([robbed!, freed!].toSorted());
  });

  test('fails as no_unit if the ledger is full in mid-batch: no oversell, oldest first', async () => {
    const sale = await context.openSale({ seckillStock: 10 });
    await admitAll(context, sale, shoppers(5));
    await setSold(context, sale, 8);
    const { writer, lease } = await writerOf(context, ledgerDb, sale);
    const reservations = await reservationsOf(context, sale, lease);

    const written = await writer.write(reservations);

    expect(statusesOf(written)).toEqual(['pending_payment', 'pending_payment', 'failed', 'failed', 'failed']);
    const { orders, sold, returns } = await readLedger(context.db, sale);
    expect(sold).toBe(10);
    const failed = orders.filter(({ status }) => status === 'failed');
    expect(failed.map(({ reason }) => reason)).toEqual(Array(3).fill('no_unit'));
    expect(returns.map(({ order_no: orderNo }) => orderNo)).toEqual(failed.map(({ order_no: orderNo }) => orderNo));
  });

  test('that failed once is never written later, even if a unit is free', async () => {
    const sale = await context.openSale();
    await admitAll(context, sale, ['late']);
    await setSold(context, sale, 10);
    const { writer, lease } = await writerOf(context, ledgerDb, sale);
    const reservations = await reservationsOf(context, sale, lease);
    await writer.write(reservations);
    await setSold(context, sale, 0);

    const [again] = await writer.write(reservations);

    expect(again).toMatchObject({ status: 'failed', reason: 'no_unit' });
    expect(await readLedger(context.db, sale)).toMatchObject({
      sold: 0,
      orders: { length: 1 },
      returns: { length: 1 },
    });
  });
});

describe('a poison order', () => {
  test('that MySQL rejects becomes failed, and the rest of its batch is written', async () => {
    const sale = await context.openSale({ seckillStock: 20 });
    await admitAll(context, sale, [...shoppers(6), 'poison', ...shoppers(6, 'other')]);
    await refuseOrdersOf(context.db, 'poison');
    const { writer, lease, retries } = await writerOf(context, ledgerDb, sale);

    const written = await writer.write(await reservationsOf(context, sale, lease));

    expect(written).toHaveLength(13);
    const { orders, sold, returns } = await readLedger(context.db, sale);
    const failed = orders.filter(({ status }) => status !== 'pending_payment');
    expect(failed).toMatchObject([{ user_id: 'poison', status: 'failed', reason: 'refused' }]);
    expect(sold).toBe(12);
    expect(returns.map(({ order_no: orderNo }) => orderNo)).toEqual([failed[0]!.order_no]);
    expect(await retries()).toBe(0);
  });

  test('of a shopper with a live order becomes failed: one live order per shopper, in any state of Redis', async () => {
    const sale = await context.openSale();
    await admitAll(context, sale, [...shoppers(3), 'twice']);
    await context.db.transaction().execute((tx) =>
      insertOrders(tx, [
        {
          orderNo: '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-1',
          productId: sale.id,
          userId: 'twice',
          status: 'paid',
          priceCents: 1,
          quantity: 1,
          createdAtMs: 0,
          version: 2,
        },
      ]),
    );
    await setSold(context, sale, 1);
    const { writer, lease } = await writerOf(context, ledgerDb, sale);

    await writer.write(await reservationsOf(context, sale, lease));

    const { orders, sold } = await readLedger(context.db, sale);
    expect(sold).toBe(4);
    expect(orders.filter(({ user_id: userId }) => userId === 'twice')).toMatchObject([
      { status: 'paid' },
      { status: 'failed', reason: 'refused' },
    ]);
    expect(orders.filter(({ status }) => status === 'pending_payment')).toHaveLength(3);
  });
});

describe('fencing', () => {
  test('a writer with a lower fencing token than another holder writes nothing', async () => {
    const sale = await context.openSale();
    await admitAll(context, sale, shoppers(2));
    const { writer, lease, refusals } = await writerOf(context, ledgerDb, sale);
    const [first, second] = await reservationsOf(context, sale, lease);
    await writer.write([first!]);
    expect(await refusals()).toBe(0);
    // The lease in Redis is not touched: only the ledger knows that this writer slept too long.
    expect(await stampFence(context.db, sale.id, lease.fencingToken + 1)).toBe(true);

    await expect(writer.write([second!])).rejects.toThrow(LeaseLost);

    const ledger = await readLedger(context.db, sale);
    expect(ledger).toMatchObject({ sold: 1, fence: lease.fencingToken + 1 });
    expect(ledger.orders.map(({ order_no: orderNo }) => orderNo)).toEqual([first!.orderNo]);
    expect(await refusals()).toBe(1);
  });

  test('a writer that finds a fencing token as high as its own at its first transaction writes nothing and reports the token', async () => {
    const sale = await context.openSale();
    await admitAll(context, sale, shoppers(1));
    const { writer, lease, refusals } = await writerOf(context, ledgerDb, sale);
    await stampFence(context.db, sale.id, 50);

    const error = await writer.write(await reservationsOf(context, sale, lease)).catch((caught: unknown) => caught);

    expect(error).toBeInstanceOf(FenceBehind);
    expect(error).toMatchObject({ ledgerFence: 50 });
    expect(await refusals()).toBe(1);
    expect(await readLedger(context.db, sale)).toMatchObject({ sold: 0, orders: [] });
  });

  test('a writer that knows its lease to be lost does not begin a transaction', async () => {
    const sale = await context.openSale();
    await admitAll(context, sale, shoppers(1));
    const { writer, lease } = await writerOf(context, ledgerDb, sale);
    const reservations = await reservationsOf(context, sale, lease);
    const before = await readLedger(context.db, sale);
    await lease.release();

    await expect(writer.write(reservations)).rejects.toThrow(LeaseLost);
    expect(await readLedger(context.db, sale)).toEqual(before);
  });
});
