import { Refusal } from '../domain/errors.ts';
import type { Order } from '../domain/order.ts';
import type { PaymentEvent } from '../domain/payment.ts';
import type { Db, Tx } from '../db/client.ts';
import { moveOrders, type MovedOrder, type Mover } from '../db/order-transitions.ts';
import { findOrders } from '../db/orders.ts';
import {
  findPayment,
  insertPaymentEvent,
  lockPayment,
  lockSucceededPayment,
  movePayment,
  updateRefundBy,
  wasApplied,
} from '../db/payments.ts';
import type { SaleTransactions } from './sale-transactions.ts';

export interface MoveDeps {
  readonly db: Db;
  readonly saleTransactions: SaleTransactions;
}

const illegal = (what: 'order' | 'payment', status: string): Refusal =>
  new Refusal('invalid_state', { detail: `The ${what} is ${status}` });

/**
 * Cancels an unpaid order; its unit goes back on sale.
 *
 * @throws Refusal `invalid_state` with the state it is in, where it is not `pending_payment`
 */
export async function cancelOrder(
  deps: Pick<MoveDeps, 'saleTransactions'>,
  order: Order,
  mover: Mover,
): Promise<Order> {
  return deps.saleTransactions.run(order.product_id, async (tx, moved) => {
    const cancelled = await moveOrders(tx, order.product_id, [order.order_no], 'pending_payment', 'cancelled', mover);
    moved(cancelled);
    const [now] = await findOrders(tx, [order.order_no]);
    if (now === undefined || cancelled.length === 0) throw illegal('order', now?.status ?? 'queued');
    return now;
  });
}

/** Expires those of a sale's orders that are unpaid still. Returns how many. */
export async function expireOrders(
  deps: Pick<MoveDeps, 'saleTransactions'>,
  productId: number,
  orderNos: readonly string[],
): Promise<number> {
  return deps.saleTransactions.run(productId, async (tx, moved) => {
    const expired = await moveOrders(tx, productId, orderNos, 'pending_payment', 'expired', {
      actor: 'expiry',
      reason: 'not paid in time',
    });
    moved(expired);
    return expired.length;
  });
}

/**
 * Applies what a provider tells of a payment, once. Money that arrives for an order that is closed, or paid already, goes back: the payment waits
 * for its refund and the order stays as it is.
 *
 * @returns whether anything changed; false for an event that was applied before or comes too late to matter
 * @throws Refusal `not_found` for an unknown payment; `invalid_state` for an event that needs another one first, so that the provider
 * sends it again
 */
export async function applyPaymentEvent(deps: MoveDeps, provider: string, event: PaymentEvent): Promise<boolean> {
  const known = await findPayment(deps.db, event.payment_id);
  if (known === undefined || known.provider !== provider) throw new Refusal('not_found');
  const mover: Mover = { actor: `payment:${provider}`, reason: event.payment_id };

  return deps.saleTransactions.run(known.product_id, async (tx, moved) => {
    // Read under the sale's row, which every event of the sale takes first.
    if (await wasApplied(tx, provider, event.event_id)) return false;
    const changed = await apply(tx, moved, await lockPayment(tx, event.payment_id), event.kind, mover);
    await insertPaymentEvent(tx, provider, event);
    return changed;
  });
}

async function apply(
  tx: Tx,
  moved: (orders: readonly MovedOrder[]) => void,
  payment: Awaited<ReturnType<typeof lockPayment>>,
  kind: PaymentEvent['kind'],
  mover: Mover,
): Promise<boolean> {
  const { payment_id, product_id, order_no, status, refund_by } = payment;
  switch (kind) {
    case 'declined':
      // After anything else it is old news.
      return status === 'started' && (await movePayment(tx, payment_id, 'started', 'declined'));
    case 'succeeded': {
      if (status !== 'started' && status !== 'declined') return false;
      await movePayment(tx, payment_id, status, 'succeeded');
      const paid = await moveOrders(tx, product_id, [order_no], 'pending_payment', 'paid', mover);
      moved(paid);
      if (paid.length === 0) await movePayment(tx, payment_id, 'succeeded', 'refund_pending');
      return true;
    }
    case 'refunded': {
      if (status === 'refunded') return false;
      if (status !== 'succeeded' && status !== 'refund_pending') {
        throw illegal('payment', status);
      }
      // Refunded at the provider without our asking.
      if (status === 'succeeded') await movePayment(tx, payment_id, 'succeeded', 'refund_pending');
      await movePayment(tx, payment_id, 'refund_pending', 'refunded');
      if (await isPaidBy(tx, payment_id, order_no)) {
        const refunder = { ...mover, actor: refund_by ?? mover.actor };
        moved(await moveOrders(tx, product_id, [order_no], 'paid', 'refunded', refunder));
      }
      return true;
    }
  }
}

/** Whether it is this payment that the order is paid by, not one that came on top. */
async function isPaidBy(tx: Tx, paymentId: string, orderNo: string): Promise<boolean> {
  const row = await tx
    .selectFrom('order_history')
    .select('order_no')
    .where('order_no', '=', orderNo)
    .where('to_status', '=', 'paid')
    .where('reason', '=', paymentId)
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Asks for the refund of a paid order. The order is `refunded`, and its unit back on sale, when the provider has confirmed.
 *
 * @throws Refusal `invalid_state` where the order is not paid
 */
export async function requestRefund(
  deps: Pick<MoveDeps, 'saleTransactions'>,
  order: Order,
  actor: string,
): Promise<void> {
  await deps.saleTransactions.run(order.product_id, async (tx) => {
    const [now] = await findOrders(tx, [order.order_no]);
    if (now?.status !== 'paid') throw illegal('order', now?.status ?? 'queued');
    const payment = await lockSucceededPayment(tx, order.order_no);
    // None: a refund was asked for before, and is under way.
    if (payment === undefined) return;
    await movePayment(tx, payment.payment_id, 'succeeded', 'refund_pending');
    await updateRefundBy(tx, payment.payment_id, actor);
  });
}
