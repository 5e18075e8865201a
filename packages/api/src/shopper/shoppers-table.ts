import { sql } from 'kysely';
import type { Order } from '@flash-sale/shared/order/order.ts';
import type { Db, Tx } from '@flash-sale/shared/platform/mysql/client.ts';
import { listOrdersOfUser } from '@flash-sale/shared/order/orders-table.ts';

/**
 * The shopper's data in the ledger: orders, newest first, below `before` if it is given, each with
 * its history and its payments.
 */
export async function ordersOfShopper(db: Db, userId: string, limit: number, before?: string) {
  const orders = await listOrdersOfUser(db, userId, limit, before);
  const orderNos = orders.map(({ orderNo }) => orderNo);
  if (orderNos.length === 0) return [];
  const moves = await db
    .selectFrom('order_history')
    .selectAll()
    .where('order_no', 'in', orderNos)
    .orderBy('created_at')
    .execute();
  const payments = await db
    .selectFrom('payments')
    .selectAll()
    .where('order_no', 'in', orderNos)
    .orderBy('payment_id')
    .execute();
  const movesOf = Map.groupBy(moves, ({ order_no: orderNo }) => orderNo);
  const paymentsOf = Map.groupBy(payments, ({ order_no: orderNo }) => orderNo);
  return orders.map((order: Order) => ({
    order,
    history: movesOf.get(order.orderNo) ?? [],
    payments: paymentsOf.get(order.orderNo) ?? [],
  }));
}

/** An order that still needs its shopper's name, with the reason. */
export interface UnsettledOrder {
  readonly orderNo: string;
  readonly productId: number;
  readonly why: 'unpaid' | 'live' | 'unit' | 'payment' | 'event' | 'archiving';
}

/**
 * One of the shopper's orders for which the name is still needed: it waits for payment; it is live
 * in a sale that Redis keeps; its unit or its money must be given back; its event is undelivered,
 * in a message that may have been sent and must not change; or its sale is being archived.
 */
export async function findUnsettledOrder(
  db: Db | Tx,
  userId: string,
  productId?: number,
): Promise<UnsettledOrder | undefined> {
  const { rows } = await sql<UnsettledOrder>`
    SELECT order_no AS orderNo, product_id AS productId, why FROM (
      SELECT orders.order_no, orders.product_id, CASE
        WHEN products.archiving_at IS NOT NULL THEN 'archiving'
        WHEN orders.status = 'pending_payment' THEN 'unpaid'
        WHEN orders.status = 'paid' AND products.cleaned_at IS NULL THEN 'live'
        WHEN stock_returns.order_no IS NOT NULL AND stock_returns.applied_at IS NULL THEN 'unit'
        WHEN EXISTS (SELECT 1 FROM payments WHERE payments.order_no = orders.order_no AND ask_at IS NOT NULL) THEN 'payment'
        WHEN EXISTS (
          SELECT 1 FROM order_events WHERE order_events.product_id = orders.product_id
            AND LOCATE(CONCAT(' ', orders.order_no, ' '), CONCAT(' ', order_nos, ' ')) > 0
        ) THEN 'event'
      END AS why
      FROM orders
      JOIN products ON products.id = orders.product_id
      LEFT JOIN stock_returns ON stock_returns.order_no = orders.order_no
      WHERE orders.user_id = ${userId} ${productId === undefined ? sql`` : sql`AND orders.product_id = ${productId}`}
    ) AS found
    WHERE why IS NOT NULL
    LIMIT 1`.execute(db);
  return rows[0];
}

/** The sales in which the shopper has orders. */
export async function salesOfShopper(db: Db, userId: string): Promise<number[]> {
  const rows = await db
    .selectFrom('orders')
    .select('product_id')
    .distinct()
    .where('user_id', '=', userId)
    .orderBy('product_id')
    .execute();
  return rows.map(({ product_id: productId }) => productId);
}

/**
 * Replaces the shopper's id in all orders of one sale. The caller holds the sale's row. Returns how
 * many orders changed.
 */
export async function renameShopper(tx: Tx, productId: number, userId: string, name: string): Promise<number> {
  await tx
    .updateTable('stock_returns')
    .set({ user_id: name })
    .where('order_no', 'in', (where) =>
      where.selectFrom('orders').select('order_no').where('product_id', '=', productId).where('user_id', '=', userId),
    )
    .execute();
  const { numUpdatedRows } = await tx
    .updateTable('orders')
    .set({ user_id: name })
    .where('product_id', '=', productId)
    .where('user_id', '=', userId)
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

/**
 * Replaces the shopper's id in the operators' actions. Compared byte by byte, since for the column
 * `u1` and `U1` are equal.
 */
export async function renameSubject(db: Db, subject: string, name: string): Promise<void> {
  await db
    .updateTable('operator_actions')
    .set({ subject: name })
    .where(sql<boolean>`CAST(subject AS BINARY) = ${subject}`)
    .execute();
}
