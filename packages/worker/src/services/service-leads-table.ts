import { sql } from 'kysely';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';

/** The services that work on the whole ledger. The migration inserts a row for each. */
export type LedgerService = 'expiry' | 'due_payments' | 'payment_calls' | 'order_events' | 'retention';

/**
 * Takes or keeps the lead of a service for this process, by MySQL's clock. Returns whether it
 * leads.
 */
export async function takeLead(db: Db, service: LedgerService, processName: string, lifeMs: number): Promise<boolean> {
  const lifeUs = lifeMs * 1_000;
  // A time more than a whole life in the future is from before the clock was set back.
  const { numAffectedRows } = await sql`
    UPDATE service_leads
    SET holder = ${processName}, leads_until = UTC_TIMESTAMP(3) + INTERVAL ${lifeUs} MICROSECOND
    WHERE service = ${service} AND (
      holder = ${processName} OR leads_until <= UTC_TIMESTAMP(3)
      OR leads_until > UTC_TIMESTAMP(3) + INTERVAL ${lifeUs} MICROSECOND)`.execute(db);
  return numAffectedRows === 1n;
}

/** Gives up the lead, so that another process can take it at once. */
export async function resignLead(db: Db, service: LedgerService, processName: string): Promise<void> {
  await sql`
    UPDATE service_leads SET leads_until = UTC_TIMESTAMP(3)
    WHERE service = ${service} AND holder = ${processName}`.execute(db);
}
