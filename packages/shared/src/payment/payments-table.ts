import { sql } from 'kysely';
import { canMovePayment, type Payment, type PaymentStatus } from './payment.ts';
import type { Db, Tx } from '../platform/mysql/client.ts';
import { LEDGER_NOW, ledgerNowPlus } from '../platform/mysql/clock.ts';

/** The columns of a `Payment`. */
export const PAYMENT_COLUMNS = [
  'payment_id as paymentId',
  'order_no as orderNo',
  'product_id as productId',
  'provider',
  'provider_ref as providerRef',
  'url',
  'status',
  'amount_cents as amountCents',
  'currency',
  'key_no as keyNo',
] as const;

/** The length of the columns for a sentence. */
export const PAYMENT_TEXT_LENGTH_MAX = 200;

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
 * Opens a payment of the order's total if it can be paid. It does not check whether a payment has
 * arrived: that read would lock rows of payments against statements like this one. This one
 * statement waits for a move of the order: it either sees the move, or the move finds the open
 * payment and marks it to be expired.
 *
 * @throws the database's duplicate error if the order has an open payment
 */
export async function insertPayment(
  db: Db,
  orderNo: string,
  payment: Pick<Payment, 'paymentId' | 'provider' | 'currency'>,
): Promise<void> {
  await sql`
    INSERT INTO payments
      (payment_id, order_no, product_id, provider, status, amount_cents, currency, created_at, updated_at)
    SELECT ${payment.paymentId}, order_no, product_id, ${payment.provider}, 'started', price_cents * quantity,
      ${payment.currency},
      UTC_TIMESTAMP(3), UTC_TIMESTAMP(3)
    FROM orders
    WHERE order_no = ${orderNo} AND ${IS_IN_TIME}
    LOCK IN SHARE MODE`.execute(db);
}

/** The open payment of an order that can be paid now. */
export async function findOpenPayment(db: Db, orderNo: string): Promise<Payment | undefined> {
  return db
    .selectFrom('payments')
    .select(PAYMENT_COLUMNS)
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
  const columns = PAYMENT_COLUMNS.map((column) => `payments.${column}` as const);
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
  return db.selectFrom('payments').select(PAYMENT_COLUMNS).where('payment_id', '=', paymentId).executeTakeFirst();
}

export async function findPayments(tx: Tx, paymentIds: readonly string[]): Promise<Payment[]> {
  return tx.selectFrom('payments').select(PAYMENT_COLUMNS).where('payment_id', 'in', paymentIds).execute();
}

/**
 * Locks the payments and reads their present state: the service that asks their provider moves them
 * without the sale's row.
 */
export async function lockPayments(
  tx: Tx,
  paymentIds: readonly string[],
): Promise<(Payment & { readonly refundBy: string | null; readonly orderDueAt: Date | null })[]> {
  return tx
    .selectFrom('payments')
    .select([...PAYMENT_COLUMNS, 'refund_by as refundBy', 'order_due_at as orderDueAt'])
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
    .select(PAYMENT_COLUMNS)
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
    .select(PAYMENT_COLUMNS)
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
    .select(['payment_id', 'provider', 'provider_ref', 'status', 'amount_cents', 'currency'])
    .select(['note', 'last_error', 'created_at', 'updated_at'])
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

/**
 * Marks the open payments of these orders to be expired at their provider. Call it in the
 * transaction that moves the orders.
 */
export async function expireOpenPayments(tx: Tx, orderNos: readonly string[]): Promise<void> {
  await sql`
    UPDATE payments FORCE INDEX (one_open_payment) SET ask_at = ${LEDGER_NOW}
    WHERE order_no IN (${orderNos}) AND open = 1`.execute(tx);
}

/** Stores a note for operators about the payment's money. */
export async function updateNote(db: Db, paymentId: string, note: string): Promise<void> {
  await db
    .updateTable('payments')
    .set({ note: note.slice(0, PAYMENT_TEXT_LENGTH_MAX) })
    .where('payment_id', '=', paymentId)
    .execute();
}
