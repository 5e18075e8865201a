import type { Call } from '../history.ts';
import {
  changesOf,
  CLOCK_MS,
  detoursOf,
  overlapsOf,
  returnsBetween,
  returnsOf,
  staleAnswersOf,
  strangersOf,
} from './lives.ts';
import { heldBy, heldUnitsOf, liveUnitsOf, partialOrdersOf } from './quantities.ts';
import type { RedisSample, RoundRecord, SaleFacts } from './record.ts';
import { codeOf, isLive, lostRedisData, orderNoOf, type SaleView } from './view.ts';

/** The evidence, one sentence per finding; none if the promise was kept. */
export type Check = (record: RoundRecord, views: readonly SaleView[]) => Iterable<string>;

const RECOVERY_MS_MAX = 15_000;
const samplesOf = ({ samples }: RoundRecord, { id }: SaleFacts): RedisSample[] =>
  samples.filter(({ sale }) => sale === id);

/** 1. No oversell. */
export const noOversell: Check = function* (record, views) {
  for (const view of views) {
    const { facts } = view;
    const live = liveUnitsOf(view);
    if (live > facts.units) yield `sale ${facts.id} has ${live} units in live orders and ${facts.units} units`;
    for (const { sale, live: seen, at_ms: atMs } of record.ledgerSamples) {
      if (sale === facts.id && seen > facts.units)
        yield `sale ${sale} had ${seen} units in live orders and ${facts.units} units at ${atMs}`;
    }
    for (const { available, ready, at_ms: atMs } of samplesOf(record, facts)) {
      if (ready && available < 0) yield `sale ${facts.id} had ${available} units available at ${atMs}`;
    }
    for (const { kind, sale, body, answered_ms: answeredMs } of record.calls) {
      const available = body?.['available'];
      if (kind !== 'product' || sale !== facts.id || typeof available !== 'number') continue;
      if (available < 0 || available > facts.units)
        yield `the product of sale ${sale} said ${available} available at ${answeredMs}`;
    }
  }
};

/** 2. Conservation. */
export const conservation: Check = function* (record, views) {
  for (const view of views) {
    const { facts, final, orders } = view;
    for (const { ready, available, held, at_ms: atMs } of samplesOf(record, facts)) {
      if (ready && available + held !== facts.units)
        yield `sale ${facts.id} had ${available} available and ${held} held of ${facts.units} units at ${atMs}`;
    }
    if (!final.ready) continue;
    const held = heldUnitsOf(view);
    if (final.available + held !== facts.units)
      yield `sale ${facts.id} ends with ${final.available} available and ${held} held of ${facts.units} units`;
    const unapplied = new Set(
      final.returns.filter(({ applied_ms: appliedMs }) => appliedMs === null).map(({ order_no: orderNo }) => orderNo),
    );
    for (const [user, entry] of final.owners) {
      const { order_no: orderNo, quantity } = heldBy(entry);
      const order = orders.get(orderNo);
      const isQueued = order === undefined && final.reservations.has(orderNo);
      const isHeld = order !== undefined && (isLive(order) || unapplied.has(orderNo)) && order.user_id === user;
      if (!isQueued && !isHeld)
        yield `${user} owns units of sale ${facts.id} for order ${orderNo}, which is ${order?.status ?? 'nowhere'}`;
      if (order !== undefined && order.quantity !== quantity)
        yield `${user} holds ${quantity} units of sale ${facts.id} for order ${orderNo} of ${order.quantity}`;
    }
    for (const { order_no: orderNo, user_id: userId, status } of final.orders) {
      const entry = final.owners.get(userId);
      if (isLive({ status }) && (entry === undefined || heldBy(entry).order_no !== orderNo))
        yield `order ${orderNo} of ${userId} is live and the owner entry says ${entry ?? 'nothing'}`;
    }
  }
};

/** 3. No leak. */
export const noLeak: Check = function* (record, views) {
  for (const view of views) yield* returnsOf(view);
  if (!record.drained) return;
  for (const view of views) {
    const { facts, final } = view;
    const unapplied = final.returns.filter(({ applied_ms: appliedMs }) => appliedMs === null).length;
    if (unapplied > 0) yield `the units of ${unapplied} orders of sale ${facts.id} have not gone back`;
    if (!facts.sellsOut) continue;
    const live = liveUnitsOf(view);
    if (live !== facts.units || final.available !== 0)
      yield `sale ${facts.id} ends with ${live} units in live orders and ${final.available} available of ${facts.units} units, though more buyers came`;
  }
};

/** 4. One live order per shopper per sale. */
export const oneLiveOrder: Check = function* (_record, views) {
  for (const view of views) {
    const { facts, final, buys } = view;
    yield* overlapsOf(view);
    for (const [user, orders] of Map.groupBy(final.orders.filter(isLive), ({ user_id: userId }) => userId)) {
      if (orders.length > 1)
        yield `${user} has ${orders.length} live orders of sale ${facts.id}: ${orders.map(({ order_no: orderNo }) => orderNo).join(' ')}`;
    }
    const shopperOf = new Map<string, string>();
    for (const call of buys) {
      const orderNo = orderNoOf(call);
      if (orderNo === undefined) continue;
      const first = shopperOf.get(orderNo);
      if (first === undefined) shopperOf.set(orderNo, call.shopper);
      else if (first !== call.shopper)
        yield `order ${orderNo} was given to ${JSON.stringify(first)} and to ${JSON.stringify(call.shopper)}`;
    }
  }
};

/** 5. Every 202 has a final outcome, which never changes. */
export const everyAcceptedEnds: Check = function* (_record, views) {
  for (const view of views) {
    yield* staleAnswersOf(view);
    yield* detoursOf(view);
    yield* partialOrdersOf(view);
    const pollsOf = Map.groupBy(view.polls, ({ order_no: orderNo }) => orderNo!);
    for (const accepted of view.accepted.values()) {
      const order = view.orders.get(accepted.order_no);
      if (order === undefined && view.final.reservations.has(accepted.order_no))
        yield `order ${accepted.order_no} is still queued`;
      if (order !== undefined && order.user_id !== accepted.shopper)
        yield `order ${accepted.order_no} was accepted for ${accepted.shopper} and belongs to ${order.user_id}`;
      if (order !== undefined && order.price_cents !== view.facts.price_cents)
        yield `order ${accepted.order_no} costs ${order.price_cents} cents in the ledger and ${view.facts.price_cents} in the sale`;
      yield* changesOf(view, accepted, pollsOf.get(accepted.order_no) ?? []);
    }
  }
};

/** 6. Accepted is durable. */
export const acceptedIsDurable: Check = function* (record, views) {
  for (const { facts, final, orders, accepted, allowedLosses, polls } of views) {
    const settled = new Set(
      polls.filter(({ body }) => isLive({ status: String(body?.['status']) })).map(({ order_no: orderNo }) => orderNo),
    );
    for (const { order_no: orderNo, shopper } of accepted.values()) {
      const order = orders.get(orderNo);
      const isQueued = final.reservations.has(orderNo);
      if (order === undefined && settled.has(orderNo)) yield `order ${orderNo} was settled and is not in the ledger`;
      else if (order === undefined && !isQueued && !allowedLosses.has(orderNo))
        yield `order ${orderNo} of ${shopper} was accepted and is nowhere`;
      if (order?.status === 'failed' && !allowedLosses.has(orderNo) && !record.refusedShoppers.has(shopper))
        yield `order ${orderNo} of ${shopper} was accepted and failed, though sale ${facts.id} had its unit`;
    }
  }
};

/** 7. A refused request has no effect. */
export const refusedHasNoEffect: Check = function* (record, views) {
  const mayForgetTokens = lostRedisData(record);
  for (const { facts, final, buysOf } of views) {
    const ownerOf = new Set([...final.owners.keys(), ...final.orders.map(({ user_id: userId }) => userId)]);
    for (const [shopper, calls] of buysOf) {
      const isKnown = calls.every(
        (call) => call.status !== null && call.status !== 202 && codeOf(call) !== 'unavailable',
      );
      if (isKnown && ownerOf.has(shopper))
        yield `${JSON.stringify(shopper)} was refused every time and has an order or a unit of sale ${facts.id}`;
      if (mayForgetTokens || record.refusedShoppers.has(shopper) || !isKnown) continue;
      for (const call of calls) {
        if (codeOf(call) === 'token_invalid' && wasIssued(record, call))
          yield `${shopper} was refused, and the seckill token of sale ${facts.id} was gone at ${call.answered_ms}`;
      }
    }
    const known = new Set(buysOf.keys());
    for (const { order_no: orderNo, user_id: userId } of final.orders)
      if (!known.has(userId))
        yield `order ${orderNo} belongs to ${JSON.stringify(userId)}, who never bought in sale ${facts.id}`;
  }
};

/** Whether the token of this buy was issued to this shopper. */
const wasIssued = ({ calls }: RoundRecord, buy: Call): boolean =>
  calls.some(
    ({ kind, shopper, sale, body }) =>
      kind === 'token' && shopper === buy.shopper && sale === buy.sale && body?.['token'] === buy.token,
  );

/**
 * Whether Redis may have lost that a token was used: it lost its data after the first of the buys
 * that used the token and before the last one. The first order is closed by then, or the shopper
 * would have got it again.
 */
function isTokenRestored({ strikes }: RoundRecord, buys: readonly Call[]): boolean {
  const sentMs = buys.map(({ sent_ms: sent }) => sent);
  return strikes.some(
    ({ losesRedisData, struck_ms: struckMs, healed_ms: healedMs }) =>
      losesRedisData && Math.min(...sentMs) <= healedMs && Math.max(...sentMs) >= struckMs,
  );
}

/**
 * 8. A retry is one effect: one seckill token buys one order, and a shopper with a live order gets
 * that order.
 */
export const retryIsOneEffect: Check = function* (record, views) {
  for (const view of views) {
    yield* strangersOf(view);
    const { facts, orders, buysOf, allowedLosses } = view;
    for (const [shopper, calls] of buysOf) {
      const given = calls.filter((call) => {
        const orderNo = orderNoOf(call);
        return orderNo !== undefined && !allowedLosses.has(orderNo);
      });
      const numbers = new Set(given.map((call) => orderNoOf(call)!));
      // Failed and closed orders hold no unit: their shopper may have bought again.
      const standing = [...numbers].filter((orderNo) => isLive(orders.get(orderNo) ?? { status: 'pending_payment' }));
      if (standing.length > 1)
        yield `${shopper} was given ${standing.length} order numbers of sale ${facts.id}: ${standing.join(' ')}`;
      // A replay names the order of an earlier token. A new buy has a new order.
      const bought = given.filter(({ body }) => body?.['replayed'] !== true);
      for (const [token, buys] of Map.groupBy(bought, (call) => call.token)) {
        const ofToken = new Set(buys.map(orderNoOf));
        if (ofToken.size > 1 && !isTokenRestored(record, buys))
          yield `${shopper} was given ${[...ofToken].join(' and ')} of sale ${facts.id} for one seckill token, ${token}`;
      }
    }
  }
};

/**
 * 9. Fenced. Observed from outside: the ledger's fencing token never falls, `sold` always equals
 * the units of live orders, and the held units of a ready sale never decrease unless units were
 * given back.
 */
export const fenced: Check = function* (record, views) {
  for (const view of views) {
    const { facts, final } = view;
    const ledger = record.ledgerSamples.filter(({ sale }) => sale === facts.id);
    for (const [i, { fence, sold, live, at_ms: atMs }] of ledger.entries()) {
      const before = ledger[i - 1];
      if (before !== undefined && fence < before.fence)
        yield `the fencing token of sale ${facts.id} fell from ${before.fence} to ${fence} before ${atMs}`;
      if (sold !== live) yield `sale ${facts.id} had ${live} units in live orders and sold = ${sold} at ${atMs}`;
    }
    const live = liveUnitsOf(view);
    if (final.sold !== live) yield `sale ${facts.id} ends with ${live} units in live orders and sold = ${final.sold}`;
    const ready = samplesOf(record, facts).filter((sample) => sample.ready);
    for (const [i, { held, history_id: historyId, at_ms: atMs }] of ready.entries()) {
      const before = ready[i - 1];
      if (before === undefined || before.history_id !== historyId) continue;
      const returned = returnsBetween(view, before.at_ms, atMs);
      if (before.held - held > returned)
        yield `sale ${facts.id} went from ${before.held} held units to ${held} before ${atMs}, and ${returned} units went back`;
    }
  }
};

/** 10. Only inside [start_time, end_time). */
export const onlyWhileOpen: Check = function* (_record, views) {
  for (const { facts, final, buys } of views) {
    const { id, start_ms: startMs, end_ms: endMs } = facts;
    for (const { order_no: orderNo, created_at_ms: createdAtMs } of final.orders) {
      if (createdAtMs < startMs || createdAtMs >= endMs)
        yield `order ${orderNo} was admitted at ${createdAtMs}, outside [${startMs}, ${endMs}) of sale ${id}`;
    }
    for (const call of buys) {
      const isFirst = call.status === 202 && call.body?.['replayed'] !== true;
      if (isFirst && call.answered_ms < startMs - CLOCK_MS)
        yield `a buy of sale ${id} was accepted at ${call.answered_ms}, before its start at ${startMs}`;
      if (codeOf(call) === 'not_started' && call.sent_ms > startMs + CLOCK_MS)
        yield `a buy sent at ${call.sent_ms} was told that sale ${id} starts at ${startMs}`;
      if (codeOf(call) === 'ended' && call.answered_ms < endMs - CLOCK_MS)
        yield `a buy was told at ${call.answered_ms} that sale ${id} has ended, which it does at ${endMs}`;
    }
  }
};

/** 11. It comes back by itself. */
export const comesBack: Check = function* (record, views) {
  for (const { fault, healed_ms: healedMs, recovery_ms: recoveryMs, standstills } of record.strikes) {
    for (const standstill of standstills) yield `${fault}: ${standstill}`;
    if (recoveryMs === null || recoveryMs > RECOVERY_MS_MAX)
      yield `${fault} was healed at ${healedMs} and nothing had recovered ${RECOVERY_MS_MAX / 1_000} s later`;
  }
  if (!record.drained) yield 'the orders were not all settled in time';
  for (const { facts, final } of views) if (!final.ready) yield `sale ${facts.id} is not ready at the end`;
};
