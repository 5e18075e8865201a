import { sql, type RawBuilder } from 'kysely';
import type { Db, Tx } from './client.ts';

/**
 * The clock of the ledger, which is MySQL's. It sets and judges every time in the life of an order,
 * so that a wrong clock of a process changes no deadline (`docs/clocks.md`).
 */
export const LEDGER_NOW: RawBuilder<Date> = sql<Date>`UTC_TIMESTAMP(3)`;

/**
 * For the select list of a statement that locks a row: the time after the row is locked.
 * `UTC_TIMESTAMP` would be the time before the wait. Every session is in UTC.
 */
export const LOCKED_AT: RawBuilder<Date> = sql<Date>`SYSDATE(3)`;

/** The time `ms` milliseconds from now; in the past if negative. */
export function ledgerNowPlus(ms: number): RawBuilder<Date> {
  return sql<Date>`UTC_TIMESTAMP(3) + INTERVAL ${Math.round(ms * 1_000)} MICROSECOND`;
}

/** The present time by the ledger's clock. */
export async function ledgerTime(db: Db | Tx): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`SELECT ${LEDGER_NOW} AS now`.execute(db);
  return rows[0]!.now;
}
