import { sql } from 'kysely';
import type { Payment } from './payment.ts';
import { PAYMENT_COLUMNS, PAYMENT_TEXT_LENGTH_MAX } from './payments-table.ts';
import type { Db, Tx } from '../platform/mysql/client.ts';
import { LEDGER_NOW, ledgerNowPlus } from '../platform/mysql/clock.ts';

/** A payment whose provider must be asked. */
export interface DuePayment extends Payment {
  /** The number of calls since its last move that did not change it. */
  readonly asks: number;
  /** Whether its order can still be paid. */
  readonly payable: boolean;
}

/**
 * Payments whose provider must be asked now: for a refund, to expire an open payment of a closed
 * order, or for the outcome of another.
 */
export async function duePayments(db: Db, limit: number): Promise<DuePayment[]> {
  const rows = await db
    .selectFrom('payments')
    .innerJoin('orders', 'orders.order_no', 'payments.order_no')
    .select(PAYMENT_COLUMNS.map((name) => `payments.${name}` as const))
    .select(['payments.asks', 'orders.status as order_status'])
    .where('ask_at', '<=', LEDGER_NOW)
    .orderBy('ask_at')
    .limit(limit)
    .execute();
  return rows.map(({ order_status: orderStatus, ...payment }) => ({
    ...payment,
    payable: orderStatus === 'pending_payment',
  }));
}

const whileAsked = (db: Db, { paymentId, status }: Pick<Payment, 'paymentId' | 'status'>) =>
  db
    .updateTable('payments')
    .where('payment_id', '=', paymentId)
    .where('status', '=', status)
    .where('ask_at', 'is not', null);

/** Marks these payments to be asked about at once, including those that have ended. */
export async function askAtOnce(tx: Tx, paymentIds: readonly string[]): Promise<void> {
  if (paymentIds.length === 0) return;
  await tx.updateTable('payments').set({ ask_at: LEDGER_NOW, asks: 0 }).where('payment_id', 'in', paymentIds).execute();
}

/**
 * Begins a call. Another process repeats it after `afterMs` if this process dies before the answer.
 */
export async function beginAsking(db: Db, payment: DuePayment, afterMs: number): Promise<void> {
  await whileAsked(db, payment)
    .set({ ask_at: ledgerNowPlus(afterMs), asks: payment.asks + 1 })
    .execute();
}

/**
 * Matches nothing if the payment has moved, or was marked to be asked about, since the call began.
 */
const sinceBegun = (db: Db, payment: DuePayment) => whileAsked(db, payment).where('asks', '=', payment.asks + 1);

/**
 * Sets the time of the next call while the provider works or does not answer. `error` is the reason
 * of a failed call.
 */
export async function askAgain(db: Db, payment: DuePayment, afterMs: number, error: string | null): Promise<void> {
  await sinceBegun(db, payment)
    .set({
      ask_at: ledgerNowPlus(afterMs),
      last_error: error === null ? null : error.slice(0, PAYMENT_TEXT_LENGTH_MAX),
    })
    .execute();
}

/** Records that no call is left for a payment that its provider has ended. */
export async function endAsking(db: Db, payment: DuePayment): Promise<void> {
  await sinceBegun(db, payment).set({ ask_at: null, asks: 0, last_error: null }).execute();
}

/** Gives the next call a new idempotency key, unless another process has already done so. */
export async function renewKey(db: Db, { paymentId, keyNo }: Pick<Payment, 'paymentId' | 'keyNo'>): Promise<void> {
  await db
    .updateTable('payments')
    .set({ key_no: keyNo + 1 })
    .where('payment_id', '=', paymentId)
    .where('key_no', '=', keyNo)
    .execute();
}

/** The names of the providers that have to be asked about payments, now or later. */
export async function providersToAsk(db: Db): Promise<string[]> {
  const rows = await db.selectFrom('payments').select('provider').distinct().where('ask_at', 'is not', null).execute();
  return rows.map(({ provider }) => provider);
}

/**
 * Holds for a row of `payments` joined with `orders` if the order can no longer be paid and the
 * provider does not say what became of the payment.
 */
export const CLOSED_BUT_OPEN_AT_PROVIDER = sql<boolean>`
  payments.status IN ('started', 'declined') AND payments.ask_at IS NOT NULL AND payments.last_error IS NOT NULL
  AND orders.status <> 'pending_payment'`;

/**
 * The ages in ms of two payments, undefined if there is none: the oldest that waits for its refund,
 * and the oldest unneeded one for which the provider has not answered since its calls fail.
 * Negative if MySQL's clock was set back since.
 */
export async function oldestWaitsMs(
  db: Db,
): Promise<{ readonly refund: number | undefined; readonly answer: number | undefined }> {
  const age = sql`TIMESTAMPDIFF(MICROSECOND, MIN(payments.updated_at), UTC_TIMESTAMP(3)) / 1000`;
  const { rows } = await sql<{ refund: string | null; answer: string | null }>`
    SELECT
      (SELECT ${age} FROM payments WHERE status = 'refund_pending') AS refund,
      (SELECT ${age} FROM payments JOIN orders ON orders.order_no = payments.order_no
        WHERE ${CLOSED_BUT_OPEN_AT_PROVIDER}) AS answer`.execute(db);
  const { refund, answer } = rows[0]!;
  const msOf = (text: string | null): number | undefined => (text === null ? undefined : Number(text));
  return { refund: msOf(refund), answer: msOf(answer) };
}
