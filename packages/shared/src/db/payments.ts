import { sql } from 'kysely';
import { canMovePayment, type Payment, type PaymentEvent, type PaymentStatus } from '../domain/payment.ts';
import type { Db, Tx } from './client.ts';
import { LEDGER_NOW, ledgerNowPlus } from './clock.ts';

const COLUMNS = [
  'payment_id',
  'order_no',
  'product_id',
  'provider',
  'provider_ref',
  'url',
  'status',
  'amount_cents',
  'currency',
] as const;

/**
 * Opens a payment, unless the order is not to be paid (any more). One statement that waits for whoever moves the order: either it sees the
 * move, or the move finds the open payment and has it expired.
 *
 * @throws the database's error for a duplicate, where the order has an open payment
 */
export async function insertPayment(
  db: Db,
  orderNo: string,
  payment: Pick<Payment, 'payment_id' | 'provider' | 'currency'>,
): Promise<void> {
  await sql`
    INSERT INTO payments
      (payment_id, order_no, product_id, provider, status, amount_cents, currency, created_at, updated_at)
    SELECT ${payment.payment_id}, order_no, product_id, ${payment.provider}, 'started', price_cents, ${payment.currency},
      UTC_TIMESTAMP(3), UTC_TIMESTAMP(3)
    FROM orders
    WHERE order_no = ${orderNo} AND status = 'pending_payment'
    LOCK IN SHARE MODE`.execute(db);
}

export async function findOpenPayment(db: Db, orderNo: string): Promise<Payment | undefined> {
  return db
    .selectFrom('payments')
    .select(COLUMNS)
    .where('order_no', '=', orderNo)
    .where('open', '=', 1)
    .executeTakeFirst();
}

export async function findPayment(db: Db, paymentId: string): Promise<Payment | undefined> {
  return db.selectFrom('payments').select(COLUMNS).where('payment_id', '=', paymentId).executeTakeFirst();
}

/** The payments as they are now, locked: whoever asks their provider moves them without the sale's row. */
export async function lockPayments(
  tx: Tx,
  paymentIds: readonly string[],
): Promise<(Payment & { readonly refund_by: string | null })[]> {
  return tx
    .selectFrom('payments')
    .select([...COLUMNS, 'refund_by'])
    .where('payment_id', 'in', paymentIds)
    .forUpdate()
    .execute();
}

/** The payment that paid the order and was not refunded, locked. */
export async function lockSucceededPayment(tx: Tx, orderNo: string): Promise<Payment | undefined> {
  return tx
    .selectFrom('payments')
    .select(COLUMNS)
    .where('order_no', '=', orderNo)
    .where('status', '=', 'succeeded')
    .forUpdate()
    .executeTakeFirst();
}

/** Keeps what the provider answered to the start. Whether the payment is still to be paid; its order may have closed meanwhile. */
export async function updateStartedPayment(db: Db, paymentId: string, ref: string, url: string): Promise<boolean> {
  await db
    .updateTable('payments')
    .set({ provider_ref: ref, url, updated_at: LEDGER_NOW })
    .where('payment_id', '=', paymentId)
    .execute();
  const { status, ask_at } = await db
    .selectFrom('payments')
    .select(['status', 'ask_at'])
    .where('payment_id', '=', paymentId)
    .executeTakeFirstOrThrow();
  return status === 'started' && ask_at === null;
}

/** Remembers who asked for the refund, for the order's history. */
export async function updateRefundBy(tx: Tx, paymentId: string, actor: string): Promise<void> {
  await tx.updateTable('payments').set({ refund_by: actor }).where('payment_id', '=', paymentId).execute();
}

/** All payments of an order, the first one first. */
export async function findPaymentsOfOrder(db: Db, orderNo: string) {
  return db
    .selectFrom('payments')
    .select([...COLUMNS, 'created_at', 'updated_at'])
    .where('order_no', '=', orderNo)
    .orderBy('payment_id')
    .execute();
}

/** Moves those of the payments that are in the state `from`; returns how many. */
export async function movePayments(
  db: Db | Tx,
  paymentIds: readonly string[],
  from: PaymentStatus,
  to: PaymentStatus,
): Promise<number> {
  if (!canMovePayment(from, to)) throw new Error(`A payment cannot move from ${from} to ${to}`);
  if (paymentIds.length === 0) return 0;
  const { numUpdatedRows } = await db
    .updateTable('payments')
    .set({ status: to, updated_at: LEDGER_NOW, ask_at: to === 'refund_pending' ? LEDGER_NOW : null })
    .where('payment_id', 'in', paymentIds)
    .where('status', '=', from)
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

/** Ids of those events that were applied before. */
export async function appliedEvents(tx: Tx, provider: string, eventIds: readonly string[]): Promise<Set<string>> {
  const rows = await tx
    .selectFrom('payment_events')
    .select('event_id')
    .where('provider', '=', provider)
    .where('event_id', 'in', eventIds)
    .execute();
  return new Set(rows.map(({ event_id }) => event_id));
}

export async function insertPaymentEvents(tx: Tx, provider: string, events: readonly PaymentEvent[]): Promise<void> {
  if (events.length === 0) return;
  const rows = events.map(({ event_id, payment_id, kind }) => ({
    provider,
    event_id,
    payment_id,
    kind,
    created_at: LEDGER_NOW,
  }));
  await tx.insertInto('payment_events').values(rows).execute();
}

/** Has the open payments of these orders expired at their provider; in the transaction that moves the orders. */
export async function expireOpenPayments(tx: Tx, orderNos: readonly string[]): Promise<void> {
  await sql`
    UPDATE payments FORCE INDEX (one_open_payment) SET ask_at = ${LEDGER_NOW}
    WHERE order_no IN (${orderNos}) AND open = 1`.execute(tx);
}

/** Payments whose provider is to be asked for something now: refunds, and open payments of closed orders. */
export async function duePayments(db: Db, limit: number): Promise<Payment[]> {
  return db
    .selectFrom('payments')
    .select(COLUMNS)
    .where('ask_at', '<=', LEDGER_NOW)
    .orderBy('ask_at')
    .limit(limit)
    .execute();
}

/** Leaves a payment alone for so long, while its provider works or is away. */
export async function askAgainIn(db: Db, paymentId: string, wait_ms: number): Promise<void> {
  await db
    .updateTable('payments')
    .set({ ask_at: ledgerNowPlus(wait_ms) })
    .where('payment_id', '=', paymentId)
    .where('ask_at', 'is not', null)
    .execute();
}
