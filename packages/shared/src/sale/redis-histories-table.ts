import { sql } from 'kysely';
import type { Db } from '../platform/mysql/client.ts';

/** How long after its last sign of life a history still counts as one that workers serve. */
const ALIVE_SECONDS = 10;

/** A worker serves this history of Redis now. By MySQL's clock, which judges it as well. */
export async function noteHistory(db: Db, history_id: string): Promise<void> {
  await sql`
    INSERT INTO redis_histories (history_id, seen_at) VALUES (${history_id}, UTC_TIMESTAMP(3))
    ON DUPLICATE KEY UPDATE seen_at = UTC_TIMESTAMP(3)`.execute(db);
}

export async function isHistoryServed(db: Db, history_id: string): Promise<boolean> {
  const { rows } = await sql`
    SELECT 1 FROM redis_histories
    WHERE history_id = ${history_id} AND seen_at > UTC_TIMESTAMP(3) - INTERVAL ${sql.lit(ALIVE_SECONDS)} SECOND`.execute(
    db,
  );
  return rows.length > 0;
}
