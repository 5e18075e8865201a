import type { PaymentEvent } from './payment.ts';
import type { Db, Tx } from '../platform/mysql/client.ts';
import { LEDGER_NOW } from '../platform/mysql/clock.ts';

/** The ids of those events that were applied before. */
export async function appliedEvents(db: Db | Tx, provider: string, eventIds: readonly string[]): Promise<Set<string>> {
  const rows = await db
    .selectFrom('payment_events')
    .select('event_id')
    .where('provider', '=', provider)
    .where('event_id', 'in', eventIds)
    .execute();
  return new Set(rows.map(({ event_id: eventId }) => eventId));
}

export async function insertPaymentEvents(tx: Tx, provider: string, events: readonly PaymentEvent[]): Promise<void> {
  if (events.length === 0) return;
  const rows = events.map(({ eventId, paymentId, kind }) => ({
    provider,
    event_id: eventId,
    payment_id: paymentId,
    kind,
    created_at: LEDGER_NOW,
  }));
  await tx.insertInto('payment_events').values(rows).execute();
}
