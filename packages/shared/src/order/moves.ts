import { Refusal } from '../domain/errors.ts';
import type { Order } from '../domain/order.ts';
import { effectOf, type PaymentEffect, type PaymentEvent } from '../domain/payment.ts';
import type { Db } from '../db/client.ts';
import { lockOrders, moveOrders, paymentsThatPaid, type Mover } from '../db/order-transitions.ts';
import { findOrders } from '../db/orders.ts';
import {
  appliedEvents,
  findPayment,
  insertPaymentEvents,
  lockPayments,
  lockSucceededPayment,
  movePayments,
  updateRefundBy,
} from '../db/payments.ts';
import type { SaleTransaction, SaleTransactions, Work } from './sale-transactions.ts';

export interface MoveDeps {
  readonly db: Db;
  readonly saleTransactions: SaleTransactions;
}

const illegal = (what: 'order', status: string): Refusal =>
  new Refusal('invalid_state', { detail: `The ${what} is ${status}` });

const idsOf = (some: readonly { readonly payment_id: string }[]): string[] => some.map(({ payment_id }) => payment_id);

interface Cancel {
  readonly order_no: string;
  readonly mover: Mover;
}

const cancelAll: Work<Cancel, Order> = async ({ tx, product_id, now, moved }, cancels) => {
  const movers = new Map(cancels.map(({ order_no, mover }) => [order_no, mover]));
  const cancelled = await moveOrders(tx, product_id, movers, 'pending_payment', 'cancelled', now);
  moved(cancelled);
  const after = new Map((await findOrders(tx, [...movers.keys()])).map((order) => [order.order_no, order]));
  const fresh = new Set(cancelled.map(({ order_no }) => order_no));
  // Whoever asks for the same at the same moment is told that it is cancelled.
  return cancels.map(({ order_no }) =>
    fresh.delete(order_no) ? after.get(order_no)! : illegal('order', after.get(order_no)?.status ?? 'queued'),
  );
};

/**
 * Cancels an unpaid order; its unit goes back on sale.
 *
 * @throws Refusal `invalid_state` with the state it is in, where it is not `pending_payment`
 */
export function cancelOrder(
  { saleTransactions }: Pick<MoveDeps, 'saleTransactions'>,
  { product_id, order_no }: Order,
  mover: Mover,
): Promise<Order> {
  return saleTransactions.run(product_id, cancelAll, { order_no, mover });
}

const EXPIRY: Mover = { actor: 'expiry', reason: 'not paid in time' };

const expireAll: Work<readonly string[], number> = async ({ tx, product_id, now, moved }, lists) => {
  const counts = [];
  for (const orderNos of lists) {
    const movers = new Map(orderNos.map((order_no) => [order_no, EXPIRY]));
    const expired = await moveOrders(tx, product_id, movers, 'pending_payment', 'expired', now);
    moved(expired);
    counts.push(expired.length);
  }
  return counts;
};

/** Expires those of a sale's orders that are unpaid still. Returns how many. */
export function expireOrders(
  { saleTransactions }: Pick<MoveDeps, 'saleTransactions'>,
  productId: number,
  orderNos: readonly string[],
): Promise<number> {
  return saleTransactions.run(productId, expireAll, orderNos);
}

interface Told {
  readonly provider: string;
  readonly order_no: string;
  readonly event: PaymentEvent;
}

/** Events of one order build on each other, so of each order one is applied at a time. */
const applyAll: Work<Told, boolean> = async (transaction, told) => {
  const answers = new Map<Told, boolean>();
  for (let left = told; left.length > 0; left = left.filter((one) => !answers.has(one))) {
    const first = new Map(left.toReversed().map((one) => [one.order_no, one]));
    for (const [provider, wave] of Map.groupBy(first.values(), (one) => one.provider)) {
      const changed = await applyEvents(transaction, provider, wave);
      for (const [i, one] of wave.entries()) answers.set(one, changed[i]!);
    }
  }
  return told.map((one) => answers.get(one)!);
};

/**
 * Applies what a provider tells of a payment, once. Money that arrives for an order that is closed, or paid already, or that is not its price, goes
 * back: the payment waits for its refund and the order stays as it is.
 *
 * @returns whether anything changed; false for an event that was applied before or comes too late to matter
 * @throws Refusal `not_found` for an unknown payment, or one of a sale that is being archived
 */
export async function applyPaymentEvent(deps: MoveDeps, provider: string, event: PaymentEvent): Promise<boolean> {
  const known = await findPayment(deps.db, event.payment_id);
  if (known === undefined || known.provider !== provider) throw new Refusal('not_found');
  const { product_id, order_no } = known;
  return deps.saleTransactions.run(product_id, applyAll, { provider, order_no, event });
}

/** Applies events of a provider, each about another order of the sale. */
async function applyEvents(
  { tx, product_id, now, moved }: SaleTransaction,
  provider: string,
  told: readonly Told[],
): Promise<boolean[]> {
  const events = told.map(({ event }) => event);
  const eventIds = events.map(({ event_id }) => event_id);
  const applied = await appliedEvents(tx, provider, eventIds);
  const orderNos = told.map(({ order_no }) => order_no);
  await lockOrders(tx, orderNos);
  const found = await lockPayments(tx, idsOf(events));
  const payments = new Map(found.map((payment) => [payment.payment_id, payment]));
  const effects = new Map<PaymentEvent, PaymentEffect>();
  for (const event of events) {
    const { status } = payments.get(event.payment_id)!;
    effects.set(event, applied.has(event.event_id) ? 'none' : effectOf(event.kind, status));
  }
  const having = (effect: PaymentEffect) =>
    events.filter((event) => effects.get(event) === effect).map(({ payment_id }) => payments.get(payment_id)!);
  const by = (payment_id: string, actor = `payment:${provider}`): Mover => ({ actor, reason: payment_id });

  await movePayments(tx, idsOf(having('decline')), 'started', 'declined');

  const paying = having('pay');
  const returning = having('return');
  const refunding = having('refund');
  for (const from of ['started', 'declined'] as const) {
    const those = [...paying, ...returning, ...refunding].filter(({ status }) => status === from);
    await movePayments(tx, idsOf(those), from, 'succeeded');
  }
  const payers = new Map(paying.map(({ order_no, payment_id }) => [order_no, by(payment_id)]));
  const paid = await moveOrders(tx, product_id, payers, 'pending_payment', 'paid', now);
  moved(paid);
  const inTime = new Set(paid.map(({ order_no }) => order_no));
  const late = paying.filter(({ order_no }) => !inTime.has(order_no));
  await movePayments(tx, idsOf([...late, ...returning]), 'succeeded', 'refund_pending');
  await movePayments(tx, idsOf(returning), 'refunded', 'refund_pending');

  if (refunding.length > 0) {
    // Some are refunded at the provider without our asking.
    const unasked = refunding.filter(({ status }) => status !== 'refund_pending');
    await movePayments(tx, idsOf(unasked), 'succeeded', 'refund_pending');
    await movePayments(tx, idsOf(refunding), 'refund_pending', 'refunded');
    // An order is refunded with the payment that paid it, not with one that came on top.
    const payerOf = await paymentsThatPaid(tx, orderNos);
    const closing = refunding.filter(({ order_no, payment_id }) => payerOf.get(order_no) === payment_id);
    const refunders = new Map(closing.map((one) => [one.order_no, by(one.payment_id, one.refund_by ?? undefined)]));
    moved(await moveOrders(tx, product_id, refunders, 'paid', 'refunded', now));
  }

  const news = events.filter((event) => !applied.has(event.event_id));
  await insertPaymentEvents(tx, provider, news);
  return events.map((event) => effects.get(event) !== 'none');
}

interface Refund {
  readonly order_no: string;
  readonly actor: string;
}

const requestAll: Work<Refund, void> = async ({ tx }, refunds) => {
  const answers: (Refusal | undefined)[] = [];
  for (const { order_no, actor } of refunds) {
    const [now] = await findOrders(tx, [order_no]);
    if (now?.status !== 'paid') {
      answers.push(illegal('order', now?.status ?? 'queued'));
      continue;
    }
    const payment = await lockSucceededPayment(tx, order_no);
    // None: a refund was asked for before, and is under way.
    if (payment !== undefined) {
      await movePayments(tx, [payment.payment_id], 'succeeded', 'refund_pending');
      await updateRefundBy(tx, payment.payment_id, actor);
    }
    answers.push(undefined);
  }
  return answers;
};

/**
 * Asks for the refund of a paid order. The order is `refunded`, and its unit back on sale, when the provider has confirmed.
 *
 * @throws Refusal `invalid_state` where the order is not paid
 */
export function requestRefund(
  { saleTransactions }: Pick<MoveDeps, 'saleTransactions'>,
  { product_id, order_no }: Order,
  actor: string,
): Promise<void> {
  return saleTransactions.run(product_id, requestAll, { order_no, actor });
}
