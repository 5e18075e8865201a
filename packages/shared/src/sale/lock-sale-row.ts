import { sql } from 'kysely';
import type { Tx } from '../platform/mysql/client.ts';
import { LOCKED_AT } from '../platform/mysql/clock.ts';

/**
 * Locks the sale's row. Every transaction of the project takes this lock first, so that no two can
 * deadlock. It needs no lease and no fencing token: the move of an existing order is protected by a
 * check of its present state.
 *
 * @returns the time by the ledger's clock, which everything in this transaction uses; undefined if
 * the sale is being archived or does not exist, so that its orders do not move any more
 */
export async function lockSaleRow(tx: Tx, productId: number): Promise<Date | undefined> {
  const { rows } = await sql<{ archiving_at: Date | null; now: Date }>`
    SELECT archiving_at, ${LOCKED_AT} AS now FROM products WHERE id = ${productId} FOR UPDATE`.execute(tx);
  const [row] = rows;
  return row?.archiving_at === null ? row.now : undefined;
}
