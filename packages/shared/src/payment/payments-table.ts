import { sql } from 'kysely';
import { canMovePayment, type Payment, type PaymentEvent, type PaymentStatus } from './payment.ts';
import type { Db, Tx } from '../platform/mysql/client.ts';
import { LEDGER_NOW, ledgerNowPlus } from '../platform/mysql/clock.ts';

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
  'key_no',
] as const;

/** The length of the columns for a sentence. */
const TEXT_LENGTH_MAX = 200;

/**
 * A condition on `orders`: no payment has arrived. If one has arrived while Redis did not answer,
 * the order counts as paid: it is not cancelled, does not expire, and cannot be paid again.
 */
export const IS_NOT_PAID_FOR = sql<boolean>`
  NOT EXISTS (SELECT 1 FROM payments WHERE payments.order_no = orders.order_no AND order_due_at IS NOT NULL)`;

/**
 * A condition on `orders`: payable, and before its deadline. An order without a deadline is from an
 * older version.
 */
const IS_IN_TIME = sql<boolean>`
  orders.status = 'pending_payment' AND (expires_at IS NULL OR expires_at > ${LEDGER_NOW})`;

/**
 * Opens a payment if the order can be paid. It does not check whether a payment has arrived: that
 * read would lock rows of payments against statements like this one. This one statement waits for a
 * move of the order: it either sees the move, or the move finds the open payment and marks it to be
 * expired.
 *
 * @throws the database's duplicate error if the order has an open payment
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
    WHERE order_no = ${orderNo} AND ${IS_IN_TIME}
    LOCK IN SHARE MODE`.execute(db);
}

/** The open payment of an order that can be paid now. */
export async function findOpenPayment(db: Db, orderNo: string): Promise<Payment | undefined> {
  return db
    .selectFrom('payments')
    .select(COLUMNS)
    .where('order_no', '=', orderNo)
    .where('open', '=', 1)
    .where((where) =>
      where.exists(
        where
          .selectFrom('orders')
          .select('order_no')
          .where('order_no', '=', orderNo)
          .where(IS_IN_TIME)
          .where(IS_NOT_PAID_FOR),
      ),
    )
    .executeTakeFirst();
}

/** The payment that paid the order, or that will when its order is moved. */
export async function findPaymentThatPaid(db: Db, orderNo: string): Promise<Payment | undefined> {
  const columns = COLUMNS.map((column) => `payments.${column}` as const);
  return db
    .selectFrom('payments')
    .innerJoin('orders', 'orders.order_no', 'payments.order_no')
    .select(columns)
    .where('payments.order_no', '=', orderNo)
    .where('payments.status', '=', 'succeeded')
    .where((where) => where.or([where('orders.status', '=', 'paid'), where('order_due_at', 'is not', null)]))
    .executeTakeFirst();
}

export async function findPayment(db: Db, paymentId: string): Promise<Payment | undefined> {
  return db.selectFrom('payments').select(COLUMNS).where('payment_id', '=', paymentId).executeTakeFirst();
}

export async function findPayments(tx: Tx, paymentIds: readonly string[]): Promise<Payment[]> {
  return tx.selectFrom('payments').select(COLUMNS).where('payment_id', 'in', paymentIds).execute();
}

/**
 * Locks the payments and reads their present state: the service that asks their provider moves them
 * without the sale's row.
 */
export async function lockPayments(
  tx: Tx,
  paymentIds: readonly string[],
): Promise<(Payment & { readonly refund_by: string | null; readonly order_due_at: Date | null })[]> {
  return tx
    .selectFrom('payments')
    .select([...COLUMNS, 'refund_by', 'order_due_at'])
    .where('payment_id', 'in', paymentIds)
    .forUpdate()
    .execute();
}

/** Marks payments that have succeeded, so that `payDueOrders` moves their orders. */
export async function markOrdersDue(tx: Tx, paymentIds: readonly string[]): Promise<void> {
  if (paymentIds.length === 0) return;
  await tx.updateTable('payments').set({ order_due_at: LEDGER_NOW }).where('payment_id', 'in', paymentIds).execute();
}

/** Clears the mark: the orders are moved, or need not be. */
export async function clearOrdersDue(tx: Tx, paymentIds: readonly string[]): Promise<void> {
  if (paymentIds.length === 0) return;
  await tx.updateTable('payments').set({ order_due_at: null }).where('payment_id', 'in', paymentIds).execute();
}

/**
 * Payments whose orders must be moved to `paid`, in the order of arrival, except those of the sales
 * `without`.
 */
export async function paymentsWithOrdersDue(db: Db, limit: number, without: readonly number[]): Promise<Payment[]> {
  return db
    .selectFrom('payments')
    .select(COLUMNS)
    .where('order_due_at', 'is not', null)
    .$if(without.length > 0, (query) => query.where('product_id', 'not in', without))
    .orderBy('order_due_at')
    .limit(limit)
    .execute();
}

/** Locks and returns the payment that paid the order and was not refunded. */
export async function lockSucceededPayment(tx: Tx, orderNo: string): Promise<Payment | undefined> {
  return tx
    .selectFrom('payments')
    .select(COLUMNS)
    .where('order_no', '=', orderNo)
    .where('status', '=', 'succeeded')
    .where('order_due_at', 'is', null)
    .forUpdate()
    .executeTakeFirst();
}

/** How long to wait for the webhook of an open payment before its provider is asked. */
const LOOK_AFTER_MS = 120_000;

/**
 * Stores the provider's answer to the start, and when to ask for the outcome. The first answer
 * stays, so that a shopper can pay in one place only.
 *
 * @returns the page where the shopper pays; undefined if the payment is no longer needed
 */
export async function updateStartedPayment(
  db: Db,
  paymentId: string,
  ref: string,
  url: string,
): Promise<string | undefined> {
  // Keep the time that an earlier close has set; a later close sets its own. A payment that could
  // not be expired for want of a `provider_ref` can be expired now.
  await sql`
    UPDATE payments
    SET provider_ref = COALESCE(provider_ref, ${ref}), url = COALESCE(url, ${url}), updated_at = ${LEDGER_NOW},
      ask_at = CASE status
        WHEN 'started' THEN COALESCE(ask_at, ${ledgerNowPlus(LOOK_AFTER_MS)})
        WHEN 'declined' THEN ${LEDGER_NOW}
        ELSE ask_at END
    WHERE payment_id = ${paymentId}`.execute(db);
  const payment = await db
    .selectFrom('payments')
    .innerJoin('orders', 'orders.order_no', 'payments.order_no')
    .select(['payments.status', 'orders.status as order_status', 'url'])
    .where('payment_id', '=', paymentId)
    .executeTakeFirstOrThrow();
  const isOpen = payment.status === 'started' && payment.order_status === 'pending_payment';
  return isOpen ? payment.url! : undefined;
}

/** Stores who requested the refund, for the order's history. */
export async function updateRefundBy(tx: Tx, paymentId: string, actor: string): Promise<void> {
  await tx.updateTable('payments').set({ refund_by: actor }).where('payment_id', '=', paymentId).execute();
}

/** All payments of an order, oldest first. */
export async function findPaymentsOfOrder(db: Db, orderNo: string) {
  return db
    .selectFrom('payments')
    .select([...COLUMNS, 'note', 'last_error', 'created_at', 'updated_at'])
    .where('order_no', '=', orderNo)
    .orderBy('payment_id')
    .execute();
}

/** Moves those of the payments that are in the state `from`. Returns how many. */
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
    .set({
      status: to,
      updated_at: LEDGER_NOW,
      // A new refund after a failed one needs another idempotency key.
      ...(to === 'refund_pending' ? { ask_at: LEDGER_NOW, key_no: sql`key_no + 1` } : { ask_at: null }),
      asks: 0,
      last_error: null,
      order_due_at: null,
    })
    .where('payment_id', 'in', paymentIds)
    .where('status', '=', from)
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

/** The ids of those events that were applied before. */
export async function appliedEvents(db: Db | Tx, provider: string, eventIds: readonly string[]): Promise<Set<string>> {
  const rows = await db
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

/** Marks these payments to be asked about at once, including those that have ended. */
export async function askAtOnce(tx: Tx, paymentIds: readonly string[]): Promise<void> {
  if (paymentIds.length === 0) return;
  await tx.updateTable('payments').set({ ask_at: LEDGER_NOW, asks: 0 }).where('payment_id', 'in', paymentIds).execute();
}

/**
 * Marks the open payments of these orders to be expired at their provider. Call it in the
 * transaction that moves the orders.
 */
export async function expireOpenPayments(tx: Tx, orderNos: readonly string[]): Promise<void> {
  await sql`
    UPDATE payments FORCE INDEX (one_open_payment) SET ask_at = ${LEDGER_NOW}
    WHERE order_no IN (${orderNos}) AND open = 1`.execute(tx);
}

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
    .select(COLUMNS.map((name) => `payments.${name}` as const))
    .select(['payments.asks', 'orders.status as order_status'])
    .where('ask_at', '<=', LEDGER_NOW)
    .orderBy('ask_at')
    .limit(limit)
    .execute();
  return rows.map(({ order_status, ...payment }) => ({ ...payment, payable: order_status === 'pending_payment' }));
}

const whileAsked = (db: Db, { payment_id, status }: Pick<Payment, 'payment_id' | 'status'>) =>
  db
    .updateTable('payments')
    .where('payment_id', '=', payment_id)
    .where('status', '=', status)
    .where('ask_at', 'is not', null);

/** Begins a call. Another process repeats it after `afterMs` if this process dies before the answer. */
export async function beginAsking(db: Db, payment: DuePayment, afterMs: number): Promise<void> {
  await whileAsked(db, payment)
    .set({ ask_at: ledgerNowPlus(afterMs), asks: payment.asks + 1, last_error: null })
    .execute();
}

/** Matches nothing if the payment has moved, or was marked to be asked about, since the call began. */
const sinceBegun = (db: Db, payment: DuePayment) => whileAsked(db, payment).where('asks', '=', payment.asks + 1);

/**
 * Sets the time of the next call while the provider works or does not answer. `error` is the reason
 * of a failed call.
 */
export async function askAgain(db: Db, payment: DuePayment, afterMs: number, error: string | null): Promise<void> {
  await sinceBegun(db, payment)
    .set({ ask_at: ledgerNowPlus(afterMs), last_error: error === null ? null : error.slice(0, TEXT_LENGTH_MAX) })
    .execute();
}

/** Records that no call is left for a payment that its provider has ended. */
export async function endAsking(db: Db, payment: DuePayment): Promise<void> {
  await sinceBegun(db, payment).set({ ask_at: null, asks: 0, last_error: null }).execute();
}

/** Gives the next call a new idempotency key, unless another process has already done so. */
export async function renewKey(db: Db, { payment_id, key_no }: Pick<Payment, 'payment_id' | 'key_no'>): Promise<void> {
  await db
    .updateTable('payments')
    .set({ key_no: key_no + 1 })
    .where('payment_id', '=', payment_id)
    .where('key_no', '=', key_no)
    .execute();
}

/** Stores a note for operators about the payment's money. */
export async function updateNote(db: Db, paymentId: string, note: string): Promise<void> {
  await db
    .updateTable('payments')
    .set({ note: note.slice(0, TEXT_LENGTH_MAX) })
    .where('payment_id', '=', paymentId)
    .execute();
}

/** Of `payments` joined with `orders`: nobody is to pay any more, and the provider does not say what became of it. */
export const CLOSED_BUT_OPEN_AT_PROVIDER = sql<boolean>`
  payments.status IN ('started', 'declined') AND payments.ask_at IS NOT NULL AND payments.last_error IS NOT NULL
  AND orders.status <> 'pending_payment'`;

/**
 * The ages in seconds of two payments, 0 if there is none: the oldest that waits for its refund,
 * and the oldest unneeded one for which the provider has not answered since its calls fail.
 */
export async function oldestWaitsSeconds(db: Db): Promise<{ readonly refund: number; readonly answer: number }> {
  const age = sql`TIMESTAMPDIFF(MICROSECOND, MIN(payments.updated_at), UTC_TIMESTAMP(3)) / 1000000`;
  const { rows } = await sql<{ refund: string | null; answer: string | null }>`
    SELECT
      (SELECT ${age} FROM payments WHERE status = 'refund_pending') AS refund,
      (SELECT ${age} FROM payments JOIN orders ON orders.order_no = payments.order_no
        WHERE ${CLOSED_BUT_OPEN_AT_PROVIDER}) AS answer`.execute(db);
  return { refund: Math.max(0, Number(rows[0]?.refund ?? 0)), answer: Math.max(0, Number(rows[0]?.answer ?? 0)) };
}
