import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { sql, type Selectable } from 'kysely';
import { expect } from 'vitest';
import type { Order } from '@flash-sale/shared/order/order.ts';
import type { OrdersTable } from '@flash-sale/shared/platform/mysql/schema.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { applyPaymentEvent } from '@flash-sale/shared/order-moves/apply-payment-event.ts';
import { cancelOrder } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { openPayment, placeOrders } from '@flash-sale/shared/testing/ordering.ts';
import type { TestContext } from '@flash-sale/shared/testing/support.ts';
import { retention } from '../src/services/retention.ts';

export const GOING_ON = new AbortController().signal;
export const DAY_MS = 86_400_000;

/** One round of the service, with a retention time of 30 days. */
export const round = (context: TestContext, folder: string, target = folder) => {
  const { db, log, config } = context;
  return retention({
    db,
    target: { folder: target, dbName: config.DB_NAME },
    retentionMs: 30 * DAY_MS,
    log,
  }).round(GOING_ON);
};

/** Ends a sale that many days ago, and marks it as cleaned up. */
export async function retire(context: TestContext, sale: Sale, days: number): Promise<void> {
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
export async function oldSale(context: TestContext, days = 31): Promise<{ sale: Sale; orders: Order[] }> {
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
  await retire(context, sale, days);
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
/** The number of rows in each table in which a sale has rows. */
export async function rowCounts(context: TestContext): Promise<Record<string, number>> {
  const counts = TABLES.map(async (table) => {
    const { rows } = await sql<{ n: number }>`SELECT COUNT(*) AS n FROM ${sql.table(table)}`.execute(context.db);
    return [table, rows[0]!.n] as const;
  });
  return Object.fromEntries(await Promise.all(counts));
}
export const NOTHING = Object.fromEntries(TABLES.map((table) => [table, 0]));

interface ArchiveLine {
  readonly sale?: { readonly id: number; readonly sold: number; readonly counters: readonly { name: string }[] };
  readonly order?: Selectable<OrdersTable> & {
    readonly history: readonly { readonly to_status: string }[];
    readonly payments: readonly { readonly status: string; readonly events: readonly unknown[] }[];
    readonly stock_return: object | null;
  };
  readonly end?: { readonly orders: number };
}
export async function readArchive(folder: string): Promise<{ path: string; lines: ArchiveLine[] }> {
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
