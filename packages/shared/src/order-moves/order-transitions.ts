import { sql } from 'kysely';
import { Refusal } from '../platform/errors.ts';
import { canMove, type ClosedStatus, type OrderStatus } from '../order/order.ts';
import type { Db, Tx } from '../platform/mysql/client.ts';
import { expireOpenPayments, IS_NOT_PAID_FOR } from '../payment/payments-table.ts';
import { unitsOf } from '../sale/owner.ts';
import { addToCounters } from '../sale/sale-counters-table.ts';
import { insertStockReturns } from '../order/stock-returns-table.ts';

/** Who moves an order, and why. Stored in the order's history. */
export interface Mover {
  readonly actor: string;
  readonly reason?: string;
}

/** An order after a move. */
export interface MovedOrder {
  readonly orderNo: string;
  readonly userId: string;
  readonly productId: number;
  readonly priceCents: number;
  readonly quantity: number;
  readonly status: OrderStatus;
  readonly version: number;
}

/**
 * Locks orders before their payments. Opening a payment takes the locks in the same order, so that
 * no two transactions can deadlock.
 */
export async function lockOrders(tx: Tx, orderNos: readonly string[]): Promise<void> {
  await sql`SELECT order_no FROM orders FORCE INDEX (PRIMARY) WHERE order_no IN (${orderNos}) FOR UPDATE`.execute(tx);
}

/** The payment that paid each of the orders, for those that were paid. */
export async function paymentsThatPaid(tx: Tx, orderNos: readonly string[]): Promise<Map<string, string | null>> {
  const rows = await tx
    .selectFrom('order_history')
    .select(['order_no', 'reason'])
    .where('order_no', 'in', orderNos)
    .where('to_status', '=', 'paid')
    .execute();
  return new Map(rows.map(({ order_no: orderNo, reason }) => [orderNo, reason]));
}

/** Who moved each of the orders to this state, for those that reached it. */
export async function moversTo(tx: Tx, orderNos: readonly string[], to: OrderStatus): Promise<Map<string, string>> {
  if (orderNos.length === 0) return new Map();
  const rows = await tx
    .selectFrom('order_history')
    .select(['order_no', 'actor'])
    .where('order_no', 'in', orderNos)
    .where('to_status', '=', to)
    .execute();
  return new Map(rows.map(({ order_no: orderNo, actor }) => [orderNo, actor]));
}

/**
 * Moves those of a sale's orders that are in the state `from`; the others do not change. A close
 * lowers `sold` by their units and inserts a return for each, in the same transaction. The caller
 * holds the sale's row.
 *
 * @returns the orders that moved, with their new version
 */
export async function moveOrders(
  tx: Tx,
  productId: number,
  /** Keyed by order number. */
  movers: ReadonlyMap<string, Mover>,
  from: OrderStatus,
  to: 'paid' | ClosedStatus,
  /** The result of `lockSaleRow`. */
  now: Date,
): Promise<MovedOrder[]> {
  if (!canMove(from, to)) throw new Error(`An order cannot move from ${from} to ${to}`);
  if (movers.size === 0) return [];
  // Use the primary key only: another index would lock rows of other sales, and wait for their
  // holders.
  const { rows: found } = await sql<MovedOrder>`
    SELECT order_no AS orderNo, user_id AS userId, product_id AS productId, price_cents AS priceCents, quantity,
      status, version
    FROM orders FORCE INDEX (PRIMARY)
    WHERE order_no IN (${[...movers.keys()]}) AND product_id = ${productId} AND status = ${from}
      ${from === 'pending_payment' && to !== 'paid' ? sql`AND ${IS_NOT_PAID_FOR}` : sql``} FOR UPDATE`.execute(tx);
  if (found.length === 0) return [];
  const foundNos = found.map(({ orderNo }) => orderNo);
  await sql`
    UPDATE orders FORCE INDEX (PRIMARY)
    SET status = ${to}, version = version + 1, updated_at = ${now}, ${sql.ref(to === 'paid' ? 'paid_at' : 'closed_at')} = ${now}
    WHERE order_no IN (${foundNos}) AND status = ${from}`.execute(tx);
  const history = found.map(({ orderNo }) => {
    const { actor, reason } = movers.get(orderNo)!;
    return [orderNo, from, to, actor, reason ?? null, now];
  });
  await sql`
    INSERT INTO order_history (order_no, from_status, to_status, actor, reason, created_at) VALUES ${history}`.execute(
    tx,
  );

  const cents = found.reduce((sum, { priceCents, quantity }) => sum + priceCents * quantity, 0);
  if (to !== 'paid') {
    await tx
      .updateTable('products')
      .set({ sold: sql`sold - ${unitsOf(found)}` })
      .where('id', '=', productId)
      .execute();
    await insertStockReturns(tx, found, now.getTime());
  }
  // A closed or paid order needs no further payment.
  await expireOpenPayments(tx, foundNos);
  await addToCounters(tx, productId, [
    { name: to, bucket: 0, value: found.length },
    { name: 'revenue_cents', bucket: 0, value: to === 'paid' ? cents : 0 },
    { name: 'refunded_cents', bucket: 0, value: to === 'refunded' ? cents : 0 },
  ]);
  return found.map((order) => ({ ...order, status: to, version: order.version + 1 }));
}

/** The moves of an order after it was written, oldest first. */
export function historyOfOrder(db: Db, orderNo: string) {
  return db
    .selectFrom('order_history')
    .select(['from_status', 'to_status', 'actor', 'reason', 'created_at'])
    .where('order_no', '=', orderNo)
    .orderBy('created_at')
    .orderBy('to_status')
    .execute();
}

/** The refusal of a move that the order's state does not allow. */
export const wrongState = (status: string): Refusal =>
  new Refusal('invalid_state', { detail: `The order is ${status}` });
