import type { ExpressionBuilder } from 'kysely';
import type { Db } from '../platform/mysql/client.ts';
import { LEDGER_NOW } from '../platform/mysql/clock.ts';
import type { Database } from '../platform/mysql/schema.ts';
import type { SaleRef } from './sale.ts';

/**
 * Sales that ended before `beforeMs`, are still kept in Redis, and have neither an unpaid order
 * nor a unit to give back.
 */
function toCleanUp(db: Db, beforeMs: number) {
  return db
    .selectFrom('products')
    .select(['id', 'shard'])
    .where('cleaned_at', 'is', null)
    .where('end_time', '<', new Date(beforeMs))
    .where(hasNoOpenOrder);
}

/** A condition on a sale: it has neither an unpaid order nor a unit to give back. */
export function hasNoOpenOrder(where: ExpressionBuilder<Database, 'products'>) {
  return where.and([
    where.not(
      where.exists(
        where
          .selectFrom('orders')
          .select('order_no')
          .whereRef('orders.product_id', '=', 'products.id')
          .where('status', '=', 'pending_payment'),
      ),
    ),
    where.not(
      where.exists(
        where
          .selectFrom('stock_returns')
          .select('order_no')
          .whereRef('stock_returns.product_id', '=', 'products.id')
          .where('applied_at', 'is', null),
      ),
    ),
  ]);
}

/**
 * Whether a unit that a shopper holds may come back: an order is unpaid, or a return not applied.
 */
export async function hasOpenOrder(db: Db, id: number): Promise<boolean> {
  const settled = db.selectFrom('products').select('id').where('id', '=', id).where(hasNoOpenOrder);
  return (await settled.executeTakeFirst()) === undefined;
}

/** The sales of one shard that must be cleaned up. */
export function salesToCleanUp(db: Db, shard: number, beforeMs: number): Promise<SaleRef[]> {
  return toCleanUp(db, beforeMs).where('shard', '=', shard).execute();
}

/** Whether the sale must still be cleaned up. */
export async function isToCleanUp(db: Db, id: number, beforeMs: number): Promise<boolean> {
  return (await toCleanUp(db, beforeMs).where('id', '=', id).executeTakeFirst()) !== undefined;
}

/** The ids of a shard's cleaned sales after `afterId`. `among` limits the answer to these ids. */
export async function cleanedSales(
  db: Db,
  shard: number,
  {
    afterId = 0,
    among,
    limit,
  }: { readonly afterId?: number; readonly among?: readonly number[]; readonly limit: number },
): Promise<number[]> {
  if (among?.length === 0) return [];
  const rows = await db
    .selectFrom('products')
    .select('id')
    .where('shard', '=', shard)
    .where('cleaned_at', 'is not', null)
    .where('id', '>', afterId)
    .$if(among !== undefined, (query) => query.where('id', 'in', among!))
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}

/** Marks a sale whose keys are deleted, unless a newer lease was stamped. */
export async function markCleaned(db: Db, id: number, fence: number): Promise<void> {
  await db
    .updateTable('products')
    .set({ cleaned_at: LEDGER_NOW })
    .where('id', '=', id)
    .where('fence', '=', fence)
    .execute();
}
