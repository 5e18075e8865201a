import type { ExpressionBuilder } from 'kysely';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { LEDGER_NOW, ledgerNowPlus } from '@flash-sale/shared/platform/mysql/clock.ts';
import { lockSaleRow } from '@flash-sale/shared/sale/lock-sale-row.ts';
import type { Database } from '@flash-sale/shared/platform/mysql/schema.ts';
import { hasNoOpenOrder } from '@flash-sale/shared/sale/clean-up-table.ts';

/** A sale that is being archived. */
export interface ArchivingSale {
  readonly id: number;
  readonly archivingAt: Date;
  /** Its archive is complete and on disk. */
  readonly archived: boolean;
}

/** Sales that are being archived, oldest first. */
export async function archivingSales(db: Db): Promise<ArchivingSale[]> {
  const rows = await db
    .selectFrom('products')
    .select(['id', 'archiving_at', 'archived_at'])
    .where('archiving_at', 'is not', null)
    .orderBy('archiving_at')
    .execute();
  return rows.map(({ id, archiving_at: archivingAt, archived_at: archivedAt }) => ({
    id,
    archivingAt: archivingAt!,
    archived: archivedAt !== null,
  }));
}

/**
 * Sales that ended at least `endedForMs` ago and have nothing open: no key in Redis, no unpaid
 * order, no unit to give back, no refund, no undelivered event.
 */
export async function salesToArchive(db: Db, endedForMs: number, limit: number): Promise<number[]> {
  const rows = await db
    .selectFrom('products')
    .select('id')
    .where('end_time', '<', ledgerNowPlus(-endedForMs))
    .where(hasNothingOpen)
    .orderBy('end_time')
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}

/**
 * Begins to archive a sale that has nothing open. After the commit none of its orders moves.
 *
 * @returns false if something is open again
 */
export function beginArchiving(db: Db, id: number): Promise<boolean> {
  return db
    .transaction()
    .setIsolationLevel('read committed')
    .execute(async (tx) => {
      // Any move of its orders has finished, or waits for this row and then finds that the sale is
      // gone.
      const now = await lockSaleRow(tx, id);
      const found = await tx.selectFrom('products').select('id').where('id', '=', id).where(hasNothingOpen).execute();
      if (now === undefined || found.length === 0) return false;
      await tx.updateTable('products').set({ archiving_at: now }).where('id', '=', id).execute();
      return true;
    });
}

function hasNothingOpen(where: ExpressionBuilder<Database, 'products'>) {
  const none = (found: Parameters<typeof where.exists>[0]) => where.not(where.exists(found));
  return where.and([
    where('archiving_at', 'is', null),
    where('cleaned_at', 'is not', null),
    hasNoOpenOrder(where),
    // A provider must be asked for a refund or to expire a payment, or an order must be moved.
    none(
      where
        .selectFrom('payments')
        .select('payment_id')
        .whereRef('payments.product_id', '=', 'products.id')
        .where((either) => either.or([either('ask_at', 'is not', null), either('order_due_at', 'is not', null)])),
    ),
    none(where.selectFrom('order_events').select('id').whereRef('order_events.product_id', '=', 'products.id')),
  ]);
}

export async function markArchived(db: Db, id: number): Promise<void> {
  await db.updateTable('products').set({ archived_at: LEDGER_NOW }).where('id', '=', id).execute();
}

/** The sale's row without the key of its tickets, its counters and its repairs. */
export async function readSaleToArchive(db: Db, id: number) {
  const { room_ticket_key: _secret, ...sale } = await db
    .selectFrom('products')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  const counters = await db
    .selectFrom('sale_counters')
    .select(['name', 'bucket', 'value'])
    .where('product_id', '=', id)
    .orderBy('name')
    .orderBy('bucket')
    .execute();
  const repairs = await db.selectFrom('repairs').selectAll().where('product_id', '=', id).orderBy('id').execute();
  return { ...sale, counters, repairs };
}

/**
 * The orders of a sale's next shoppers, with everything that belongs to them: all orders of at most
 * `limit` shoppers after `after`, in byte order. Uses an index that begins with the sale.
 */
export async function ordersToArchive(db: Db, productId: number, after: string, limit: number) {
  const shoppers = await shoppersToArchiveQuery(db, productId, after, limit).execute();
  const last = shoppers.at(-1)?.user_id;
  if (last === undefined) return [];
  const orders = await db
    .selectFrom('orders')
    .selectAll()
    .where('product_id', '=', productId)
    .where('user_id', '>', after)
    .where('user_id', '<=', last)
    .orderBy('user_id')
    .execute();
  const orderNos = orders.map(({ order_no: orderNo }) => orderNo);
  const history = await db.selectFrom('order_history').selectAll().where('order_no', 'in', orderNos).execute();
  const payments = await db.selectFrom('payments').selectAll().where('order_no', 'in', orderNos).execute();
  const paymentIds = payments.map(({ payment_id: paymentId }) => paymentId);
  const events =
    paymentIds.length === 0
      ? []
      : await db.selectFrom('payment_events').selectAll().where('payment_id', 'in', paymentIds).execute();
  const returns = await db.selectFrom('stock_returns').selectAll().where('order_no', 'in', orderNos).execute();

  const eventsOf = Map.groupBy(events, ({ payment_id: paymentId }) => paymentId);
  const historyOf = Map.groupBy(history, ({ order_no: orderNo }) => orderNo);
  const paymentsOf = Map.groupBy(payments, ({ order_no: orderNo }) => orderNo);
  const returnOf = new Map(returns.map((unit) => [unit.order_no, unit]));
  return orders.map((order) => ({
    ...order,
    history: historyOf.get(order.order_no) ?? [],
    payments: (paymentsOf.get(order.order_no) ?? []).map((payment) => ({
      ...payment,
      events: eventsOf.get(payment.payment_id) ?? [],
    })),
    stock_return: returnOf.get(order.order_no) ?? null,
  }));
}

/** Separate from its execution, so that a test can read the server's query plan. */
export function shoppersToArchiveQuery(db: Db, productId: number, after: string, limit: number) {
  return db
    .selectFrom('orders')
    .select('user_id')
    .where('product_id', '=', productId)
    .where('user_id', '>', after)
    .orderBy('user_id')
    .limit(limit);
}

/**
 * Deletes up to `limit` orders of an archived sale with everything that belongs to them, in one
 * transaction. Returns how many.
 */
export function deleteArchivedOrders(db: Db, productId: number, limit: number): Promise<number> {
  return db
    .transaction()
    .setIsolationLevel('read committed')
    .execute(async (tx) => {
      await lockSaleRow(tx, productId);
      const rows = await tx
        .selectFrom('orders')
        .innerJoin('products', 'products.id', 'orders.product_id')
        .select('order_no')
        .where('product_id', '=', productId)
        .where('archived_at', 'is not', null)
        .limit(limit)
        .execute();
      if (rows.length === 0) return 0;
      const orderNos = rows.map(({ order_no: orderNo }) => orderNo);
      const payments = tx.selectFrom('payments').select('payment_id').where('order_no', 'in', orderNos);
      const paymentIds = (await payments.execute()).map(({ payment_id: paymentId }) => paymentId);
      if (paymentIds.length > 0) {
        await tx.deleteFrom('payment_events').where('payment_id', 'in', paymentIds).execute();
        await tx.deleteFrom('payments').where('payment_id', 'in', paymentIds).execute();
      }
      await tx.deleteFrom('order_history').where('order_no', 'in', orderNos).execute();
      await tx.deleteFrom('stock_returns').where('order_no', 'in', orderNos).execute();
      await tx.deleteFrom('orders').where('order_no', 'in', orderNos).execute();
      return orderNos.length;
    });
}

/** Deletes the sale itself, after its orders. */
export function deleteArchivedSale(db: Db, id: number): Promise<void> {
  return db.transaction().execute(async (tx) => {
    await lockSaleRow(tx, id);
    await tx.deleteFrom('sale_counters').where('product_id', '=', id).execute();
    await tx.deleteFrom('repairs').where('product_id', '=', id).execute();
    await tx.deleteFrom('gates').where('product_id', '=', id).execute();
    await tx.deleteFrom('products').where('id', '=', id).where('archived_at', 'is not', null).execute();
  });
}
