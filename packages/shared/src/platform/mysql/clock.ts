import { sql, type RawBuilder } from 'kysely';
import type { Db, Tx } from './client.ts';

/**
 * The clock of the ledger: MySQL's. Every time in the life of an order is written and judged by it, so that a process whose own clock is
 * wrong changes no deadline (`docs/clocks.md`).
 */
export const LEDGER_NOW: RawBuilder<Date> = sql<Date>`UTC_TIMESTAMP(3)`;

/**
 * For the select list of a statement that locks a row: the time once it is locked, where `UTC_TIMESTAMP` is the time before the wait for
 * it. Every session is in UTC.
 */
export const LOCKED_AT: RawBuilder<Date> = sql<Date>`SYSDATE(3)`;

/** That many milliseconds from now, or ago where negative. */
export function ledgerNowPlus(ms: number): RawBuilder<Date> {
  return sql<Date>`UTC_TIMESTAMP(3) + INTERVAL ${Math.round(ms * 1_000)} MICROSECOND`;
}

/** What the clock of the ledger says. */
export async function ledgerTime(db: Db | Tx): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`SELECT ${LEDGER_NOW} AS now`.execute(db);
  return rows[0]!.now;
}
