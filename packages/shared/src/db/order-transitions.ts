import { sql } from 'kysely';
import { canMove, type ClosedStatus, type OrderStatus } from '../domain/order.ts';
import type { Tx } from './client.ts';
import { expireOpenPayments } from './payments.ts';
import { addToCounters } from './sale-counters.ts';
import { insertStockReturns } from './stock-returns.ts';

/** Who moves an order, and why; kept in its history. */
export interface Mover {
  readonly actor: string;
  readonly reason?: string;
}

/** An order as it is after a move. */
export interface MovedOrder {
  readonly order_no: string;
  readonly user_id: string;
  readonly product_id: number;
  readonly price_cents: number;
  readonly version: number;
}

/**
 * Locks the sale's row: first in every transaction of the project, so that no two can wait for each other. Needs no lease and no fencing
 * token, since a move of an order that exists is guarded by the state it leaves.
 */
export async function lockSaleRow(tx: Tx, productId: number): Promise<void> {
  await sql`SELECT id FROM products WHERE id = ${productId} FOR UPDATE`.execute(tx);
}

/**
 * Moves those of a sale's orders that are in the state `from`; the others stay as they are. A close lowers `sold` and leaves a
 * return for each unit, in the same transaction. The caller holds the sale's row.
 *
 * @returns the orders that moved, with their new version
 */
export async function moveOrders(
  tx: Tx,
  productId: number,
  orderNos: readonly string[],
  from: OrderStatus,
  to: 'paid' | ClosedStatus,
  mover: Mover,
): Promise<MovedOrder[]> {
  if (!canMove(from, to)) throw new Error(`An order cannot move from ${from} to ${to}`);
  const found = await tx
    .selectFrom('orders')
    .select(['order_no', 'user_id', 'product_id', 'price_cents', 'version'])
    .where('order_no', 'in', orderNos)
    .where('product_id', '=', productId)
    .where('status', '=', from)
    .forUpdate()
    .execute();
  if (found.length === 0) return [];
  const now = new Date();
  await tx
    .updateTable('orders')
    .set({
      status: to,
      version: sql`version + 1`,
      updated_at: now,
      ...(to === 'paid' ? { paid_at: now } : { closed_at: now }),
    })
    .where(
      'order_no',
      'in',
      found.map(({ order_no }) => order_no),
    )
    .where('status', '=', from)
    .execute();
  const history = found.map(({ order_no }) => [order_no, from, to, mover.actor, mover.reason ?? null, now]);
  await sql`
    INSERT INTO order_history (order_no, from_status, to_status, actor, reason, created_at) VALUES ${history}`.execute(
    tx,
  );

  const cents = found.reduce((sum, { price_cents }) => sum + price_cents, 0);
  if (to !== 'paid') {
    await tx
      .updateTable('products')
      .set({ sold: sql`sold - ${found.length}` })
      .where('id', '=', productId)
      .execute();
    await insertStockReturns(tx, found, now.getTime());
    await expireOpenPayments(
      tx,
      found.map(({ order_no }) => order_no),
      now,
    );
  }
  await addToCounters(tx, productId, [
    { name: to, bucket: 0, value: found.length },
    { name: 'revenue_cents', bucket: 0, value: to === 'paid' ? cents : 0 },
    { name: 'refunded_cents', bucket: 0, value: to === 'refunded' ? cents : 0 },
  ]);
  return found.map((order) => ({ ...order, version: order.version + 1 }));
}
