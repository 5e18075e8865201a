import { sql } from 'kysely';
import type { Db } from './client.ts';

/** The services that serve the whole ledger. Each has its row from the migration on. */
export type LedgerService = 'expiry' | 'due_payments' | 'payment_calls' | 'order_events' | 'retention';

/** Makes the caller, or keeps it, the one process that runs the service now, by MySQL's clock. Returns whether it leads. */
export async function takeLead(db: Db, service: LedgerService, processName: string, lifeMs: number): Promise<boolean> {
  const lifeUs = lifeMs * 1_000;
  // A time that is more than a whole life away is from before the clock was set back.
  const { numAffectedRows } = await sql`
    UPDATE service_leads
    SET holder = ${processName}, leads_until = UTC_TIMESTAMP(3) + INTERVAL ${lifeUs} MICROSECOND
    WHERE service = ${service} AND (
      holder = ${processName} OR leads_until <= UTC_TIMESTAMP(3)
      OR leads_until > UTC_TIMESTAMP(3) + INTERVAL ${lifeUs} MICROSECOND)`.execute(db);
  return numAffectedRows === 1n;
}

/** Lets another process lead the service at once. */
export async function resignLead(db: Db, service: LedgerService, processName: string): Promise<void> {
  await sql`
    UPDATE service_leads SET leads_until = UTC_TIMESTAMP(3)
    WHERE service = ${service} AND holder = ${processName}`.execute(db);
}
