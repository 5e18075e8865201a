import { sql } from 'kysely';
import type { Db } from '../platform/mysql/client.ts';

/** How long a history counts as served after its last sign of life. */
const ALIVE_SECONDS = 10;
/** The same for a Redis that has nothing of the ledger: it may replace one that is lost. */
export const SEEN_SECONDS = 3;
/** How long a history is kept after its last sign of life, for the analysis of incidents. */
const KEPT_DAYS = 1;

const seenWithin = (seconds: number) => sql`seen_at > UTC_TIMESTAMP(3) - INTERVAL ${sql.lit(seconds)} SECOND`;

/** The place of a process's keys in a Redis, as the ledger notes it. */
export const keySpaceOf = (config: { readonly REDIS_DB: number; readonly REDIS_PREFIX: string }): string =>
  `${config.REDIS_DB} ${config.REDIS_PREFIX}`;

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

/**
 * The same by a worker whose keys are in `keySpace`.
 *
 * @returns false if another worker serves the history with keys elsewhere. Then nothing is recorded
 */
export async function noteServed(db: Db, historyId: string, keySpace: string): Promise<boolean> {
  const { numAffectedRows } = await sql`
    UPDATE redis_histories SET seen_at = UTC_TIMESTAMP(3), key_space = ${keySpace}
    WHERE history_id = ${historyId} AND (key_space IN ('', ${keySpace}) OR NOT ${seenWithin(ALIVE_SECONDS)})`.execute(
    db,
  );
  if (numAffectedRows === 1n) return true;
  if (await isServedWithOtherKeys(db, historyId, keySpace)) return false;
  await noteHistory(db, historyId);
  return true;
}

/** Whether workers serve this history with keys that have another prefix or database number. */
export async function isServedWithOtherKeys(db: Db, historyId: string, keySpace: string): Promise<boolean> {
  const { rows } = await sql`
    SELECT 1 FROM redis_histories
    WHERE history_id = ${historyId} AND key_space NOT IN ('', ${keySpace}) AND ${seenWithin(ALIVE_SECONDS)}`.execute(
    db,
  );
  return rows.length > 0;
}

export async function isHistoryServed(db: Db, historyId: string, seconds = ALIVE_SECONDS): Promise<boolean> {
  const { rows } = await sql`
    SELECT 1 FROM redis_histories
    WHERE history_id = ${historyId} AND ${seenWithin(seconds)}`.execute(db);
  return rows.length > 0;
}

/**
 * Whether a sale of the shard is loaded in another history than this one, which a worker serves.
 */
export async function isServedElsewhere(
  db: Db,
  shard: number,
  historyId: string,
  seconds = ALIVE_SECONDS,
): Promise<boolean> {
  const { rows } = await sql`
    SELECT 1 FROM products JOIN redis_histories ON redis_histories.history_id = products.history_id
    WHERE shard = ${shard} AND cleaned_at IS NULL AND products.history_id <> ${historyId}
      AND ${seenWithin(seconds)}
    LIMIT 1`.execute(db);
  return rows.length > 0;
}
