import { sql } from 'kysely';
import type { Order } from './order.ts';
import type { Db, Tx } from '../platform/mysql/client.ts';
import { LEDGER_NOW } from '../platform/mysql/clock.ts';

/** An order whose units must be given back. */
export interface StockReturn {
  readonly orderNo: string;
  readonly userId: string;
}

/**
 * Records that the units of these orders must be given back. Call it in the transaction that closes
 * or fails them.
 */
export async function insertStockReturns(
  tx: Tx,
  orders: readonly Pick<Order, 'orderNo' | 'productId' | 'userId'>[],
  nowMs: number,
): Promise<void> {
  if (orders.length === 0) return;
  const rows = orders.map(({ orderNo, productId, userId }) => [orderNo, productId, userId, new Date(nowMs)]);
  await sql`INSERT INTO stock_returns (order_no, product_id, user_id, created_at) VALUES ${rows}`.execute(tx);
}

/**
 * The sales of the shard that have units to give back. `cleaned`: Redis does not keep the sale any
 * more.
 */
export async function salesWithReturns(
  db: Db,
  shard: number,
): Promise<{ id: number; shard: number; cleaned: boolean }[]> {
  const rows = await db
    .selectFrom('stock_returns')
    .innerJoin('products', 'products.id', 'stock_returns.product_id')
    .select(['products.id', 'products.shard', 'products.cleaned_at'])
    .where('applied_at', 'is', null)
    .where('products.shard', '=', shard)
    .distinct()
    .execute();
  return rows.map(({ cleaned_at: cleanedAt, ...sale }) => ({ ...sale, cleaned: cleanedAt !== null }));
}

export function unappliedReturns(db: Db, productId: number, limit: number): Promise<StockReturn[]> {
  return db
    .selectFrom('stock_returns')
    .select(['order_no as orderNo', 'user_id as userId'])
    .where('applied_at', 'is', null)
    .where('product_id', '=', productId)
    .limit(limit)
    .execute();
}

export async function markReturnsApplied(db: Db | Tx, orderNos: readonly string[]): Promise<void> {
  // Use the primary key only: through the index of unapplied returns, this would deadlock with
  // orders that close at the same time.
  await sql`
    UPDATE stock_returns FORCE INDEX (PRIMARY) SET applied_at = ${LEDGER_NOW}
    WHERE order_no IN (${orderNos}) AND applied_at IS NULL`.execute(db);
}
