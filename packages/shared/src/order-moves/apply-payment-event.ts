import { Refusal } from '../platform/errors.ts';
import { effectOf, type Payment, type PaymentEffect, type PaymentEvent } from '../payment/payment.ts';
import type { Db, Tx } from '../platform/mysql/client.ts';
import { lockOrders, moveOrders, paymentsThatPaid, type Mover } from './order-transitions.ts';
import { findOrders } from '../order/orders-table.ts';
import { askAtOnce } from '../payment/payment-calls-table.ts';
import { appliedEvents, insertPaymentEvents } from '../payment/payment-events-table.ts';
import {
  clearOrdersDue,
  findPayment,
  findPayments,
  lockPayments,
  markOrdersDue,
  movePayments,
} from '../payment/payments-table.ts';
import type { SaleTransaction, SaleTransactions, Work } from './sale-transactions.ts';

export interface MoveDeps {
  readonly db: Db;
  readonly saleTransactions: SaleTransactions;
}

const idsOf = (some: readonly { readonly paymentId: string }[]): string[] => some.map(({ paymentId }) => paymentId);

interface Told {
  readonly provider: string;
  readonly orderNo: string;
  readonly event: PaymentEvent;
}

/** Events of one order depend on each other, so apply them one at a time for each order. */
const applyAll =
  (apply: typeof applyEvents): Work<Told, boolean> =>
  async (transaction, told) => {
    const answers = new Map<Told, boolean | Refusal>();
    for (let left = told; left.length > 0; left = left.filter((one) => !answers.has(one))) {
      const first = new Map(left.toReversed().map((one) => [one.orderNo, one]));
      for (const [provider, wave] of Map.groupBy(first.values(), (one) => one.provider)) {
        const changed = await apply(transaction, provider, wave);
        for (const [i, one] of wave.entries()) answers.set(one, changed[i]!);
      }
    }
    return told.map((one) => answers.get(one)!);
  };

const applyToOrders = applyAll(applyEvents);
const applyToPayments = applyAll(applyEventsWithoutRedis);

/**
 * Applies a provider's event about a payment once. Money that arrives for an order that is closed
 * or already paid, or that is not what it costs, is refunded: the payment waits for its refund and
 * the order does not change. If Redis does not answer, the money is still recorded, and
 * `payDueOrders` moves its order later.
 *
 * @returns whether anything changed; false for an event that was applied before or comes too late
 * to matter
 * @throws Refusal `not_found` for an unknown payment, or one of a sale that is being archived
 */
export async function applyPaymentEvent(deps: MoveDeps, provider: string, event: PaymentEvent): Promise<boolean> {
  const known = await findPayment(deps.db, event.paymentId);
  if (known === undefined || known.provider !== provider) throw new Refusal('not_found');
  const { productId, orderNo } = known;
  const told = { provider, orderNo, event };
  return deps.saleTransactions.run(productId, applyToOrders, told, { withoutRedis: applyToPayments });
}

const payer = ({ provider, paymentId }: Pick<Payment, 'provider' | 'paymentId'>): Mover => ({
  actor: `payment:${provider}`,
  reason: paymentId,
});

/**
 * Locks the orders and payments of a provider's events, each about another order of the sale, and
 * decides the effect of each event.
 */
async function lockEvents(tx: Tx, provider: string, told: readonly Told[]) {
  const events = told.map(({ event }) => event);
  const applied = await appliedEvents(
    tx,
    provider,
    events.map(({ eventId }) => eventId),
  );
  await lockOrders(
    tx,
    told.map(({ orderNo }) => orderNo),
  );
  const found = await lockPayments(tx, idsOf(events));
  const payments = new Map(found.map((payment) => [payment.paymentId, payment]));
  const effects = new Map<PaymentEvent, PaymentEffect>();
  for (const event of events) {
    const { status } = payments.get(event.paymentId)!;
    effects.set(event, applied.has(event.eventId) ? 'none' : effectOf(event.kind, status));
  }
  return {
    events,
    having: (effect: PaymentEffect) =>
      events.filter((event) => effects.get(event) === effect).map(({ paymentId }) => payments.get(paymentId)!),
    /** Records the events that were applied, and answers each. */
    answer: async (refused?: PaymentEffect): Promise<(boolean | Refusal)[]> => {
      const isRefused = (event: PaymentEvent) => effects.get(event) === refused;
      const news = events.filter((event) => !applied.has(event.eventId) && !isRefused(event));
      await insertPaymentEvents(tx, provider, news);
      return events.map((event) => (isRefused(event) ? new Refusal('unavailable') : effects.get(event) !== 'none'));
    },
  };
}

/** A declined payment may still succeed later. */
async function succeed(tx: Tx, payments: readonly Payment[]): Promise<void> {
  for (const from of ['started', 'declined'] as const) {
    const those = payments.filter(({ status }) => status === from);
    await movePayments(tx, idsOf(those), from, 'succeeded');
  }
}

/** Refunds money that pays for nothing, or whose refund failed. */
async function giveBack(tx: Tx, payments: readonly Payment[]): Promise<void> {
  await movePayments(tx, idsOf(payments), 'succeeded', 'refund_pending');
  await movePayments(tx, idsOf(payments), 'refunded', 'refund_pending');
}

/**
 * Moves the orders of succeeded payments to `paid`. Money for an order that is closed or already
 * paid is refunded.
 */
async function payOrders({ tx, productId, now, moved }: SaleTransaction, payments: readonly Payment[]): Promise<void> {
  const first = new Map(payments.toReversed().map((payment) => [payment.orderNo, payment]));
  const payers = new Map([...first].map(([orderNo, payment]) => [orderNo, payer(payment)]));
  const paid = await moveOrders(tx, productId, payers, 'pending_payment', 'paid', now);
  moved(paid);
  const inTime = new Set(paid.map(({ orderNo }) => first.get(orderNo)));
  const late = payments.filter((payment) => !inTime.has(payment));
  await movePayments(tx, idsOf(late), 'succeeded', 'refund_pending');
}

async function applyEvents(
  transaction: SaleTransaction,
  provider: string,
  told: readonly Told[],
): Promise<(boolean | Refusal)[]> {
  const { tx, productId, now, moved } = transaction;
  const { having, answer } = await lockEvents(tx, provider, told);
  await movePayments(tx, idsOf(having('decline')), 'started', 'declined');
  await askAtOnce(tx, idsOf(having('ask')));

  const [paying, returning, refunding] = [having('pay'), having('return'), having('refund')];
  await succeed(tx, [...paying, ...returning, ...refunding]);
  await payOrders(transaction, paying);
  await giveBack(tx, returning);

  if (refunding.length > 0) {
    // A provider may refund a payment that we did not ask it to refund.
    const unasked = refunding.filter(({ status }) => status !== 'refund_pending');
    await movePayments(tx, idsOf(unasked), 'succeeded', 'refund_pending');
    await movePayments(tx, idsOf(refunding), 'refund_pending', 'refunded');
    // An order is refunded with the payment that paid it, not with an additional payment.
    const payerOf = await paymentsThatPaid(
      tx,
      refunding.map(({ orderNo }) => orderNo),
    );
    const closing = refunding.filter(({ orderNo, paymentId }) => payerOf.get(orderNo) === paymentId);
    const refunders = closing.map((one): [string, Mover] => {
      const asked = one.refundBy === null ? {} : { actor: one.refundBy };
      return [one.orderNo, { ...payer(one), ...asked }];
    });
    moved(await moveOrders(tx, productId, new Map(refunders), 'paid', 'refunded', now));
  }
  return answer();
}

/**
 * The part of the events that moves no order: money is recorded. A refund would close its order, so
 * its event must come again.
 */
async function applyEventsWithoutRedis(
  { tx }: SaleTransaction,
  provider: string,
  told: readonly Told[],
): Promise<(boolean | Refusal)[]> {
  const { having, answer } = await lockEvents(tx, provider, told);
  await movePayments(tx, idsOf(having('decline')), 'started', 'declined');
  await askAtOnce(tx, idsOf(having('ask')));

  const [paying, returning] = [having('pay'), having('return')];
  await succeed(tx, [...paying, ...returning]);
  await giveBack(tx, returning);
  const orders = await findOrders(
    tx,
    paying.map(({ orderNo }) => orderNo),
  );
  const unpaid = new Set(orders.filter(({ status }) => status === 'pending_payment').map(({ orderNo }) => orderNo));
  const [inTime, late] = [true, false].map((pays) => paying.filter(({ orderNo }) => unpaid.has(orderNo) === pays));
  await markOrdersDue(tx, idsOf(inTime!));
  await movePayments(tx, idsOf(late!), 'succeeded', 'refund_pending');
  return answer('refund');
}

const payAllDue: Work<readonly string[], number> = async (transaction, lists) => {
  const { tx } = transaction;
  const counts = [];
  for (const paymentIds of lists) {
    const known = await findPayments(tx, paymentIds);
    await lockOrders(
      tx,
      known.map(({ orderNo }) => orderNo),
    );
    const due = (await lockPayments(tx, paymentIds)).filter(({ orderDueAt }) => orderDueAt !== null);
    await clearOrdersDue(tx, idsOf(due));
    // If two payments are for one order, the one that arrived first pays for it.
    await payOrders(
      transaction,
      due.toSorted((a, b) => a.orderDueAt!.getTime() - b.orderDueAt!.getTime()),
    );
    counts.push(due.length);
  }
  return counts;
};

/**
 * Moves the orders of payments that arrived while Redis did not answer. Returns how many payments
 * were still due.
 */
export function payDueOrders(
  { saleTransactions }: { readonly saleTransactions: SaleTransactions },
  productId: number,
  paymentIds: readonly string[],
): Promise<number> {
  return saleTransactions.run(productId, payAllDue, paymentIds);
}
