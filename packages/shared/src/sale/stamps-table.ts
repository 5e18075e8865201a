import type { Db, Tx } from '../platform/mysql/client.ts';
import { LOCKED_AT } from '../platform/mysql/clock.ts';

/**
 * Stamps the fencing token if it is the sale's highest. Returns false if a token at least as high
 * was stamped before, the sale was cleaned up, or `historyId` is given and the sale was last
 * loaded in another history of Redis.
 */
export async function stampFence(db: Db | Tx, id: number, fence: number, historyId?: string): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('products')
    .set({ fence })
    .where('id', '=', id)
    .where('fence', '<', fence)
    .where('cleaned_at', 'is', null)
    .$if(historyId !== undefined, (query) => query.where('history_id', '=', historyId!))
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** The highest stamp of a sale and its history. */
export interface Stamp {
  /** The highest fencing token that was stamped. */
  readonly fence: number;
  /** The history of Redis in which the sale was loaded last; null before the first time. */
  readonly historyId: string | null;
}

/** Undefined if the sale does not exist or was cleaned up. */
export function readStamp(db: Db | Tx, id: number): Promise<Stamp | undefined> {
  return db
    .selectFrom('products')
    .select(['fence', 'history_id as historyId'])
    .where('id', '=', id)
    .where('cleaned_at', 'is', null)
    .executeTakeFirst();
}

/**
 * Records that only this history of Redis has the sale from now on. Returns false if another
 * fencing token is stamped.
 */
export async function setHistory(db: Db, id: number, fence: number, historyId: string): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('products')
    .set({ history_id: historyId })
    .where('id', '=', id)
    .where('fence', '=', fence)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** A sale whose row this transaction has locked. */
export interface LockedSale {
  readonly seckillStock: number;
  readonly sold: number;
  /** The time of the lock, by the ledger's clock. */
  readonly now: Date;
}

/** Locks the sale's row in this transaction. Undefined if another fencing token is stamped. */
export function lockSale(tx: Tx, id: number, fence: number): Promise<LockedSale | undefined> {
  return tx
    .selectFrom('products')
    .select(['seckill_stock as seckillStock', 'sold', LOCKED_AT.as('now')])
    .where('id', '=', id)
    .where('fence', '=', fence)
    .forUpdate()
    .executeTakeFirst();
}
