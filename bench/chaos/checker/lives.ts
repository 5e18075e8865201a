import type { Call } from '../history.ts';
import { isClosed, isOrderMove, orderCanBecome } from './statuses.ts';
import { isLive, orderNoOf, type Accepted, type SaleView } from './view.ts';

/**
 * The maximum error of a comparison of two clock readings of one machine, each rounded to a
 * millisecond.
 */
export const CLOCK_MS = 2;

/** A status of an order in an answer. The order was in it at some time between the two times. */
interface Observation {
  readonly from_ms: number;
  readonly to_ms: number;
  readonly status: string;
  readonly by: string;
}

/** The statuses of each order in all answers, with the final one in the ledger. */
function observationsOf({ calls, final }: SaleView): Map<string, Observation[]> {
  const seen = calls.flatMap((call): (Observation & { readonly order_no: string })[] => {
    const status = statusIn(call);
    if (status === undefined || call.order_no === undefined) return [];
    const { order_no: orderNo, sent_ms: fromMs, answered_ms: toMs, kind: by } = call;
    return [{ order_no: orderNo, status, from_ms: fromMs, to_ms: toMs, by }];
  });
  const last = final.orders.map(({ order_no: orderNo, status }) => ({
    order_no: orderNo,
    status,
    // The status was reached before the reading, and stays: only refunds can still change it.
    from_ms: Infinity,
    to_ms: final.began_ms,
    by: 'ledger',
  }));
  return Map.groupBy([...seen, ...last], ({ order_no: orderNo }) => orderNo);
}

function statusIn({ kind, status, body }: Call): string | undefined {
  if (status !== 200 && status !== 202) return undefined;
  if (kind === 'poll' || kind === 'cancel' || kind === 'refund') return String(body?.['status']);
  // Only an unpaid order gets a page to pay on.
  return kind === 'pay' ? 'pending_payment' : undefined;
}

/**
 * No answer shows an order in a status that an earlier answer excludes: a later call never sees an
 * older state, and every status is known. Only answers that cannot have overtaken each other are
 * compared.
 */
export function* staleAnswersOf(view: SaleView): Iterable<string> {
  for (const [orderNo, observations] of observationsOf(view)) {
    const sorted = observations.toSorted((a, b) => a.to_ms - b.to_ms);
    for (const [i, earlier] of sorted.entries()) {
      const stale = sorted
        .slice(i + 1)
        .find((later) => later.from_ms > earlier.to_ms && !orderCanBecome(earlier.status, later.status));
      if (stale === undefined) continue;
      const when = stale.from_ms === Infinity ? 'at the end' : `at ${stale.from_ms}`;
      const first = `${earlier.status} at ${earlier.to_ms} (${earlier.by})`;
      yield `order ${orderNo} was ${first} and ${stale.status} ${when} (${stale.by})`;
    }
  }
}

/**
 * The history of each order is a path of allowed moves, from the state in which it is written to
 * its present state.
 */
export function* detoursOf({ final }: SaleView): Iterable<string> {
  const movesOf = Map.groupBy(final.moves, ({ order_no: orderNo }) => orderNo);
  for (const { order_no: orderNo, status } of final.orders) {
    let at = status === 'failed' ? 'failed' : 'pending_payment';
    for (const { from, to } of movesOf.get(orderNo) ?? []) {
      if (from !== at || !isOrderMove(from, to)) yield `order ${orderNo} was ${at} and moved from ${from} to ${to}`;
      at = to;
    }
    if (at !== status) yield `order ${orderNo} is ${status}, and its history leads to ${at}`;
  }
}

/** The time in which an order of the ledger was live: from its admission to its close. */
interface Life {
  readonly order_no: string;
  readonly user_id: string;
  readonly from_ms: number;
  readonly to_ms: number;
}

function livesOf({ final }: SaleView): Life[] {
  const closes = new Map(
    final.moves.filter(({ to }) => isClosed(to)).map(({ order_no: orderNo, at_ms: atMs }) => [orderNo, atMs]),
  );
  return final.orders
    .filter(({ status }) => status !== 'failed')
    .map((order) => ({
      order_no: order.order_no,
      user_id: order.user_id,
      from_ms: order.created_at_ms,
      to_ms: isLive(order) ? Infinity : (closes.get(order.order_no) ?? order.created_at_ms),
    }));
}

/** A shopper never has two live orders at the same time. */
export function* overlapsOf(view: SaleView): Iterable<string> {
  for (const [user, lives] of Map.groupBy(livesOf(view), ({ user_id: userId }) => userId)) {
    const sorted = lives.toSorted((a, b) => a.from_ms - b.from_ms);
    for (const [i, next] of sorted.entries()) {
      const before = sorted[i - 1];
      if (before !== undefined && next.from_ms < before.to_ms - CLOCK_MS)
        yield `${user} had order ${next.order_no} at ${next.from_ms}, while ${before.order_no} lived`;
    }
  }
}

/** While a shopper's order is live, every buy of that shopper is answered with its number. */
export function* strangersOf(view: SaleView): Iterable<string> {
  const lives = Map.groupBy(livesOf(view), ({ user_id: userId }) => userId);
  for (const [shopper, calls] of view.buysOf) {
    for (const { order_no: orderNo, to_ms: toMs } of lives.get(shopper) ?? []) {
      const knownMs = view.accepted
        .get(orderNo)
        ?.answers.reduce((min, call) => Math.min(min, call.answered_ms), Infinity);
      if (knownMs === undefined) continue;
      const other = calls.find(
        (call) => call.sent_ms > knownMs && call.answered_ms < toMs && (orderNoOf(call) ?? orderNo) !== orderNo,
      );
      if (other !== undefined)
        yield `${shopper} had order ${orderNo} and was given ${orderNoOf(other)} at ${other.answered_ms}`;
    }
  }
}

/** Every close and every failure leaves one return; a live order leaves none. */
export function* returnsOf({ final }: SaleView): Iterable<string> {
  const returns = Map.groupBy(final.returns, ({ order_no: orderNo }) => orderNo);
  for (const { order_no: orderNo, status } of final.orders) {
    const count = returns.get(orderNo)?.length ?? 0;
    const expected = isClosed(status) || status === 'failed' ? 1 : 0;
    if (count !== expected) yield `order ${orderNo} is ${status}, and its units went back ${count} times`;
  }
}

/** The maximum number of units of a sale that were given back between two times. */
export const returnsBetween = ({ final, orders }: SaleView, fromMs: number, toMs: number): number =>
  final.returns
    .filter(
      ({ created_ms: createdMs, applied_ms: appliedMs }) =>
        createdMs <= toMs + CLOCK_MS && (appliedMs === null || appliedMs >= fromMs - CLOCK_MS),
    )
    .reduce((units, { order_no: orderNo }) => units + (orders.get(orderNo)?.quantity ?? 0), 0);

/** What the polls of an accepted order showed that it cannot be. */
export function* changesOf(
  view: SaleView,
  { order_no: orderNo, shopper }: Accepted,
  polls: readonly Call[],
): Iterable<string> {
  const { facts, orders, allowedLosses } = view;
  const isLost = allowedLosses.has(orderNo);
  const answered = polls.filter(({ status }) => status === 200 || status === 404);
  for (const { status, body, answered_ms: answeredMs } of answered) {
    if (status === 404) {
      if (!isLost) yield `order ${orderNo} was not found at ${answeredMs}, after its 202`;
      continue;
    }
    if (body?.['order_no'] !== orderNo) yield `a poll of order ${orderNo} answered order ${String(body?.['order_no'])}`;
    if (body?.['user_id'] !== shopper)
      yield `order ${orderNo} of ${shopper} was shown as ${String(body?.['user_id'])}'s`;
    if (Math.round(Number(body?.['price']) * 100) !== facts.price_cents)
      yield `order ${orderNo} was shown at ${String(body?.['price'])}`;
  }
  // Written or failed: one outcome. A written order may change later.
  const shown = answered.filter(({ status }) => status === 200).map(({ body }) => String(body?.['status']));
  const outcomes = new Set(
    [...shown, orders.get(orderNo)?.status ?? 'queued']
      .filter((status) => status !== 'queued')
      .map((status) => (status === 'failed' ? 'failed' : 'written')),
  );
  if (outcomes.size > 1) yield `order ${orderNo} had the outcomes ${[...outcomes].join(' and ')}`;
  for (const earlier of answered) {
    for (const later of answered) {
      // Compare only answers that cannot have overtaken each other.
      if (later.sent_ms <= earlier.answered_ms) continue;
      if (earlier.status === 404 && later.status === 200)
        yield `order ${orderNo} was gone at ${earlier.answered_ms} and reappeared at ${later.answered_ms}`;
    }
  }
}
