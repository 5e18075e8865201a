import { sql } from 'kysely';
import type { Db } from '../platform/mysql/client.ts';

/** How long a history counts as served after its last sign of life. */
const ALIVE_SECONDS = 10;
/** How long a history is kept after its last sign of life, for the analysis of incidents. */
const KEPT_DAYS = 1;

/**
 * Records that a worker serves this history of Redis now. The time is by MySQL's clock, which is
 * also used to judge it. A new history deletes old ones.
 */
export async function noteHistory(db: Db, historyId: string): Promise<void> {
  const { numAffectedRows } = await sql`
    INSERT INTO redis_histories (history_id, seen_at) VALUES (${historyId}, UTC_TIMESTAMP(3))
    ON DUPLICATE KEY UPDATE seen_at = UTC_TIMESTAMP(3)`.execute(db);
  // MySQL reports one row for an insert and two for an update.
  if (numAffectedRows !== 1n) return;
  await sql`
    DELETE FROM redis_histories WHERE seen_at < UTC_TIMESTAMP(3) - INTERVAL ${sql.lit(KEPT_DAYS)} DAY`.execute(db);
}

export async function isHistoryServed(db: Db, historyId: string): Promise<boolean> {
  const { rows } = await sql`
    SELECT 1 FROM redis_histories
    WHERE history_id = ${historyId} AND seen_at > UTC_TIMESTAMP(3) - INTERVAL ${sql.lit(ALIVE_SECONDS)} SECOND`.execute(
    db,
  );
  return rows.length > 0;
}

/**
 * Whether a sale of the shard is loaded in another history than this one, which a worker serves.
 */
export async function isServedElsewhere(db: Db, shard: number, historyId: string): Promise<boolean> {
  const { rows } = await sql`
    SELECT 1 FROM products JOIN redis_histories ON redis_histories.history_id = products.history_id
    WHERE shard = ${shard} AND cleaned_at IS NULL AND products.history_id <> ${historyId}
      AND seen_at > UTC_TIMESTAMP(3) - INTERVAL ${sql.lit(ALIVE_SECONDS)} SECOND
    LIMIT 1`.execute(db);
  return rows.length > 0;
}
