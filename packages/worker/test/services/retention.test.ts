import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { sql, type Selectable } from 'kysely';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { insertOrderEvents } from '@flash-sale/shared/order-events/order-events-table.ts';
import { insertOrders } from '@flash-sale/shared/order/orders-table.ts';
import { findSale, listSales } from '@flash-sale/shared/sale/products-table.ts';
import { archivingSales, beginArchiving, shoppersToArchiveQuery } from '../../src/retention/retention-table.ts';
import { newBatchNo, newOrderNumber } from '@flash-sale/shared/order/order-number.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import type { OrdersTable } from '@flash-sale/shared/platform/mysql/schema.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { applyPaymentEvent } from '@flash-sale/shared/order-moves/apply-payment-event.ts';
import { cancelOrder } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { requestRefund } from '@flash-sale/shared/order-moves/request-refund.ts';
import { openPayment, placeOrders } from '@flash-sale/shared/testing/ordering.ts';
import { planOf } from '@flash-sale/shared/testing/query-plan.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { retention } from '../../src/services/retention.ts';

const GOING_ON = new AbortController().signal;
const DAY_MS = 86_400_000;

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

const round = (target = folder) => {
  const { db, log, config } = context;
  return retention({
    db,
    target: { folder: target, dbName: config.DB_NAME },
    retentionMs: 30 * DAY_MS,
    log,
  }).round(GOING_ON);
};

/** What clean-up and time do to a sale. */
async function retire(sale: Sale, days: number): Promise<void> {
  const endTime = new Date(Date.now() - days * DAY_MS);
  await context.db
    .updateTable('products')
    .set({ start_time: new Date(endTime.getTime() - DAY_MS), end_time: endTime, cleaned_at: new Date() })
    .where('id', '=', sale.id)
    .execute();
  await context.db
    .updateTable('stock_returns')
    .set({ applied_at: new Date() })
    .where('product_id', '=', sale.id)
    .execute();
}

/** A sale that ended long ago, with a paid order, a cancelled and a refunded one. */
async function oldSale(days = 31): Promise<{ sale: Sale; orders: Order[] }> {
  const sale = await context.openSale();
  const orders = await placeOrders(context, sale, ['alice', 'bob', 'carol']);
  for (const order of [orders[0]!, orders[2]!]) {
    const paymentId = await openPayment(context, order.orderNo);
    const tell = (kind: 'succeeded' | 'refunded') =>
      applyPaymentEvent(context, 'sandbox', { eventId: `${kind} ${paymentId}`, paymentId, kind });
    await tell('succeeded');
    if (order === orders[2]) await tell('refunded');
  }
  await cancelOrder(context, orders[1]!, { actor: 'shopper' });
  await retire(sale, days);
  return { sale, orders };
}

const TABLES = [
  'products',
  'orders',
  'order_history',
  'payments',
  'payment_events',
  'stock_returns',
  'sale_counters',
] as const;
/** How many rows there are of everything that a sale leaves. */
async function rowCounts(): Promise<Record<string, number>> {
  const counts = TABLES.map(async (table) => {
    const { rows } = await sql<{ n: number }>`SELECT COUNT(*) AS n FROM ${sql.table(table)}`.execute(context.db);
    return [table, rows[0]!.n] as const;
  });
  return Object.fromEntries(await Promise.all(counts));
}
const NOTHING = Object.fromEntries(TABLES.map((table) => [table, 0]));

interface ArchiveLine {
  readonly sale?: { readonly id: number; readonly sold: number; readonly counters: readonly { name: string }[] };
  readonly order?: Selectable<OrdersTable> & {
    readonly history: readonly { readonly to_status: string }[];
    readonly payments: readonly { readonly status: string; readonly events: readonly unknown[] }[];
    readonly stock_return: object | null;
  };
  readonly end?: { readonly orders: number };
}
async function readArchive(): Promise<{ path: string; lines: ArchiveLine[] }> {
  const [name, ...others] = await readdir(folder);
  expect(others).toEqual([]);
  const path = join(folder, name!);
  const text = gunzipSync(await readFile(path)).toString();
  return {
    path,
    lines: text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as ArchiveLine),
  };
}

describe('a sale that ended long ago', () => {
  test('is archived completely, then deleted completely', async () => {
    const { sale, orders } = await oldSale();
    const recent = await oldSale(29);
    const before = await rowCounts();
    await round();

    const { path, lines } = await readArchive();
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
    expect(await rowCounts()).toEqual(half);
    expect(await findSale(context.db, recent.sale.id)).toBeDefined();
  });

  test('with thousands of orders is archived by an index, each order once, shoppers with many orders included', async () => {
    const sale = await context.insertSale({ seckillStock: 5_000 });
    const nowMs = Date.now();
    const order = (userId: string, status: Order['status']): Order => {
      const facts = { productId: sale.id, priceCents: 1, version: 1, createdAtMs: nowMs };
      return { orderNo: newOrderNumber(sale, newBatchNo(nowMs)), userId, status, ...facts };
    };
    const orders = [
      ...Array.from({ length: 1_500 }, () => order('busy', 'cancelled')),
      order('busy', 'paid'),
      ...Array.from({ length: 1_000 }, (_, i) => order(`u${i}`, 'paid')),
    ];
    await context.db.transaction().execute((tx) => insertOrders(tx, orders));
    await retire(sale, 31);
    const [step] = await planOf(context.db, shoppersToArchiveQuery(context.db, sale.id, 'busy', 10));
    expect(step).toMatchObject({ sorts: false, indexOnly: true });

    await round();
    const { lines } = await readArchive();
    const archived = lines.slice(1, -1).map((line) => line.order!.order_no);
    expect(archived.toSorted()).toEqual(orders.map(({ orderNo }) => orderNo).toSorted());
    expect(await rowCounts()).toEqual(NOTHING);
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
    const { sale, orders } = await oldSale();
    await (keep as (sale: Sale, orders: readonly Order[]) => Promise<unknown>)(sale, orders);
    await context.db
      .updateTable('products')
      .set({ end_time: new Date(Date.now() - 31 * DAY_MS) })
      .execute();
    const before = await rowCounts();
    await round();
    expect(await rowCounts()).toEqual(before);
    expect(await readdir(folder)).toEqual([]);
    expect(await findSale(context.db, sale.id)).toBeDefined();
  });
});

test('an event that has been dead for the retention time does not keep its sale any more', async () => {
  const { sale, orders } = await oldSale();
  const { db } = context;
  await db.transaction().execute((tx) => insertOrderEvents(tx, sale.id, [orders[0]!], Date.now()));
  const dead = (days: number) =>
    db
      .updateTable('order_events')
      .set({ dead_at: new Date(Date.now() - days * DAY_MS) })
      .execute();
  await dead(29);
  await round();
  expect(await findSale(db, sale.id)).toBeDefined();
  await dead(31);
  await round();
  expect(await rowCounts()).toEqual(NOTHING);
});

describe('after its archiving begins', () => {
  test('no order of a sale moves, and it is not found any more', async () => {
    const { sale, orders } = await oldSale();
    expect(await beginArchiving(context.db, sale.id)).toBe(true);
    await expect(requestRefund(context, orders[0]!, 'operator')).rejects.toMatchObject({ code: 'not_found' });
    expect(await findSale(context.db, sale.id)).toBeUndefined();
    expect(await listSales(context.db, 10)).toEqual([]);
    expect(await beginArchiving(context.db, sale.id)).toBe(false);
  });
});

/**
 * Makes the next such statement fail, as a crash there does: what was not committed is rolled back.
 */
async function crashAt(when: string, table: string, condition: string): Promise<() => Promise<void>> {
  const { db } = context;
  await sql`
    CREATE TRIGGER crash BEFORE ${sql.raw(when)} ON ${sql.table(table)} FOR EACH ROW
    IF ${sql.raw(condition)} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'killed'; END IF`.execute(db);
  return async () => {
    await sql`DROP TRIGGER crash`.execute(db);
  };
}

describe('after a crash', () => {
  test('before the archive was on disk it is written again', async () => {
    const { sale } = await oldSale();
    const file = join(folder, 'not-a-folder');
    await writeFile(file, '');
    // A round that fails makes the process give up its lead.
    await expect(round(file)).rejects.toThrow('EEXIST');
    expect(await archivingSales(context.db)).toMatchObject([{ id: sale.id, archived: false }]);
    expect((await rowCounts())['orders']).toBe(3);
    await rm(file);
    await round();
    expect((await readArchive()).lines.at(-1)).toEqual({ end: { orders: 3 } });
    expect(await rowCounts()).toEqual(NOTHING);
  });

  test('between the archive and its record in MySQL, the existing archive is kept', async () => {
    await oldSale();
    const repair = await crashAt('UPDATE', 'products', 'NEW.archived_at IS NOT NULL');
    await expect(round()).rejects.toThrow('killed');
    await repair();
    expect((await rowCounts())['orders']).toBe(3);
    const { path } = await readArchive();
    const { ino } = await stat(path);
    await round();
    expect(await rowCounts()).toEqual(NOTHING);
    expect((await stat(path)).ino).toBe(ino);
    expect((await readArchive()).lines.at(-1)).toEqual({ end: { orders: 3 } });
  });

  test.each([
    ['while orders are deleted', 'DELETE', 'orders', 'TRUE'],
    ['before the sale itself is deleted', 'DELETE', 'products', 'TRUE'],
  ])('%s the rest goes, and the archive stays as it is', async (_when, statement, table, condition) => {
    await oldSale();
    const repair = await crashAt(statement, table, condition);
    await expect(round()).rejects.toThrow('killed');
    await repair();
    expect((await rowCounts())['products']).toBe(1);
    const whole = await readArchive();
    await round();
    expect(await rowCounts()).toEqual(NOTHING);
    expect(await readArchive()).toEqual(whole);
  });

  test('a process that was frozen while writing cannot replace the archive by a partial one', async () => {
    const { sale } = await oldSale();
    await beginArchiving(context.db, sale.id);
    const [archiving] = await archivingSales(context.db);
    const { writeArchive } = await import('../../src/retention/archive.ts');
    const target = { folder, dbName: context.config.DB_NAME };
    await writeArchive(context.db, archiving!, target, GOING_ON);
    await sql`DELETE FROM orders`.execute(context.db);
    await writeArchive(context.db, archiving!, target, GOING_ON);
    expect((await readArchive()).lines.at(-1)).toEqual({ end: { orders: 3 } });
  });
});

test('two workers at once archive a sale once', async () => {
  await oldSale();
  await Promise.all([round(), round()]);
  await round();
  expect((await readArchive()).lines.at(-1)).toEqual({ end: { orders: 3 } });
  expect(await rowCounts()).toEqual(NOTHING);
});
