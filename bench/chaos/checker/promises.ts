import type { Call } from '../history.ts';
import { detoursOf, overlapsOf, returnsBetween, returnsOf, staleAnswersOf, strangersOf } from './lives.ts';
import type { RedisSample, RoundRecord, SaleFacts } from './record.ts';
import { codeOf, isLive, lostRedisData, orderNoOf, type Accepted, type SaleView } from './view.ts';

/** The evidence, one sentence per finding; none if the promise was kept. */
export type Check = (record: RoundRecord, views: readonly SaleView[]) => Iterable<string>;

const RECOVERY_MS_MAX = 15_000;
/**
 * The tolerance for a buy near the start or end of the sale: two clock readings of one machine,
 * each rounded to a millisecond.
 */
const CLOCK_MS = 2;

const samplesOf = ({ samples }: RoundRecord, { id }: SaleFacts): RedisSample[] =>
  samples.filter(({ sale }) => sale === id);

/** 1. No oversell. */
export const noOversell: Check = function* (record, views) {
  for (const { facts, final } of views) {
    const live = final.orders.filter(isLive).length;
    if (live > facts.units) yield `sale ${facts.id} has ${live} live orders and ${facts.units} units`;
    for (const { sale, live: seen, at_ms } of record.ledgerSamples) {
      if (sale === facts.id && seen > facts.units)
        yield `sale ${sale} had ${seen} live orders and ${facts.units} units at ${at_ms}`;
    }
    for (const { available, ready, at_ms } of samplesOf(record, facts)) {
      if (ready && available < 0) yield `sale ${facts.id} had ${available} units available at ${at_ms}`;
    }
    for (const { kind, sale, body, answered_ms } of record.calls) {
      const available = body?.['available'];
      if (kind !== 'product' || sale !== facts.id || typeof available !== 'number') continue;
      if (available < 0 || available > facts.units)
        yield `the product of sale ${sale} said ${available} available at ${answered_ms}`;
    }
  }
};

/** 2. Conservation. */
export const conservation: Check = function* (record, views) {
  for (const { facts, final, orders } of views) {
    for (const { ready, available, owners, at_ms } of samplesOf(record, facts)) {
      if (ready && available + owners !== facts.units)
        yield `sale ${facts.id} had ${available} available and ${owners} owners of ${facts.units} units at ${at_ms}`;
    }
    if (!final.ready) continue;
    if (final.available + final.owners.size !== facts.units)
      yield `sale ${facts.id} ends with ${final.available} available and ${final.owners.size} owners of ${facts.units} units`;
    const unapplied = new Set(
      final.returns.filter(({ applied_ms }) => applied_ms === null).map(({ order_no }) => order_no),
    );
    for (const [user, order_no] of final.owners) {
      const order = orders.get(order_no);
      const isQueued = order === undefined && final.reservations.has(order_no);
      const isHeld = order !== undefined && (isLive(order) || unapplied.has(order_no)) && order.user_id === user;
      if (!isQueued && !isHeld)
        yield `${user} owns a unit of sale ${facts.id} for order ${order_no}, which is ${order?.status ?? 'nowhere'}`;
    }
    for (const { order_no, user_id, status } of final.orders) {
      if (isLive({ status }) && final.owners.get(user_id) !== order_no)
        yield `order ${order_no} of ${user_id} is live and the owner entry says ${final.owners.get(user_id) ?? 'nothing'}`;
    }
  }
};

/** 3. No leak. */
export const noLeak: Check = function* (record, views) {
  for (const view of views) yield* returnsOf(view);
  if (!record.drained) return;
  for (const { facts, final } of views) {
    const unapplied = final.returns.filter(({ applied_ms }) => applied_ms === null).length;
    if (unapplied > 0) yield `${unapplied} units of sale ${facts.id} have not gone back`;
    if (!facts.sellsOut) continue;
    const live = final.orders.filter(isLive).length;
    if (live !== facts.units || final.available !== 0)
      yield `sale ${facts.id} ends with ${live} live orders and ${final.available} available of ${facts.units} units, though more buyers came`;
  }
};

/** 4. One live order per shopper per sale. */
export const oneLiveOrder: Check = function* (_record, views) {
  for (const view of views) {
    const { facts, final, buys } = view;
    yield* overlapsOf(view);
    for (const [user, orders] of Map.groupBy(final.orders.filter(isLive), ({ user_id }) => user_id)) {
      if (orders.length > 1)
        yield `${user} has ${orders.length} live orders of sale ${facts.id}: ${orders.map(({ order_no }) => order_no).join(' ')}`;
    }
    const shopperOf = new Map<string, string>();
    for (const call of buys) {
      const order_no = orderNoOf(call);
      if (order_no === undefined) continue;
      const first = shopperOf.get(order_no);
      if (first === undefined) shopperOf.set(order_no, call.shopper);
      else if (first !== call.shopper)
        yield `order ${order_no} was given to ${JSON.stringify(first)} and to ${JSON.stringify(call.shopper)}`;
    }
  }
};

/** 5. Every 202 has a final outcome, which never changes. */
export const everyAcceptedEnds: Check = function* (_record, views) {
  for (const view of views) {
    yield* staleAnswersOf(view);
    yield* detoursOf(view);
    const pollsOf = Map.groupBy(view.polls, ({ order_no }) => order_no!);
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

function* changesOf(view: SaleView, { order_no, shopper }: Accepted, polls: readonly Call[]): Iterable<string> {
  const { facts, orders, allowedLosses } = view;
  const isLost = allowedLosses.has(order_no);
  const answered = polls.filter(({ status }) => status === 200 || status === 404);
  for (const { status, body, answered_ms } of answered) {
    if (status === 404) {
      if (!isLost) yield `order ${order_no} was not found at ${answered_ms}, after its 202`;
      continue;
    }
    if (body?.['order_no'] !== order_no)
      yield `a poll of order ${order_no} answered order ${String(body?.['order_no'])}`;
    if (body?.['user_id'] !== shopper)
      yield `order ${order_no} of ${shopper} was shown as ${String(body?.['user_id'])}'s`;
    if (Math.round(Number(body?.['price']) * 100) !== facts.price_cents)
      yield `order ${order_no} was shown at ${String(body?.['price'])}`;
  }
  // Written or failed: one outcome, whatever happens to a written order later.
  const shown = answered.filter(({ status }) => status === 200).map(({ body }) => String(body?.['status']));
  const outcomes = new Set(
    [...shown, orders.get(order_no)?.status ?? 'queued']
      .filter((status) => status !== 'queued')
      .map((status) => (status === 'failed' ? 'failed' : 'written')),
  );
  if (outcomes.size > 1) yield `order ${order_no} had the outcomes ${[...outcomes].join(' and ')}`;
  for (const earlier of answered) {
    for (const later of answered) {
      // Compare only answers that cannot have overtaken each other.
      if (later.sent_ms <= earlier.answered_ms) continue;
      if (earlier.status === 404 && later.status === 200)
        yield `order ${order_no} was gone at ${earlier.answered_ms} and reappeared at ${later.answered_ms}`;
    }
  }
}

/** 6. Accepted is durable. */
export const acceptedIsDurable: Check = function* (record, views) {
  for (const { facts, final, orders, accepted, allowedLosses, polls } of views) {
    const settled = new Set(
      polls.filter(({ body }) => isLive({ status: String(body?.['status']) })).map(({ order_no }) => order_no),
    );
    for (const { order_no, shopper } of accepted.values()) {
      const order = orders.get(order_no);
      const isQueued = final.reservations.has(order_no);
      if (order === undefined && settled.has(order_no)) yield `order ${order_no} was settled and is not in the ledger`;
      else if (order === undefined && !isQueued && !allowedLosses.has(order_no))
        yield `order ${order_no} of ${shopper} was accepted and is nowhere`;
      if (order?.status === 'failed' && !allowedLosses.has(order_no) && !record.refusedShoppers.has(shopper))
        yield `order ${order_no} of ${shopper} was accepted and failed, though sale ${facts.id} had its unit`;
    }
  }
};

/** 7. A refused request has no effect. */
export const refusedHasNoEffect: Check = function* (record, views) {
  const mayForgetTokens = lostRedisData(record);
  for (const { facts, final, buysOf } of views) {
    const ownerOf = new Set([...final.owners.keys(), ...final.orders.map(({ user_id }) => user_id)]);
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
    for (const { order_no, user_id } of final.orders)
      if (!known.has(user_id))
        yield `order ${order_no} belongs to ${JSON.stringify(user_id)}, who never bought in sale ${facts.id}`;
  }
};

/** Whether the token of this buy was issued to this shopper. */
const wasIssued = ({ calls }: RoundRecord, buy: Call): boolean =>
  calls.some(
    ({ kind, shopper, sale, body }) =>
      kind === 'token' && shopper === buy.shopper && sale === buy.sale && body?.['token'] === buy.token,
  );

/**
 * 8. A retry is one effect: one seckill token buys one order, and a shopper with a live order gets
 * that order.
 */
export const retryIsOneEffect: Check = function* (_record, views) {
  for (const view of views) {
    yield* strangersOf(view);
    const { facts, orders, buysOf, allowedLosses } = view;
    for (const [shopper, calls] of buysOf) {
      const given = calls.filter((call) => {
        const order_no = orderNoOf(call);
        return order_no !== undefined && !allowedLosses.has(order_no);
      });
      const numbers = new Set(given.map((call) => orderNoOf(call)!));
      // Failed and closed orders hold no unit: their shopper may have bought again.
      const standing = [...numbers].filter((order_no) => isLive(orders.get(order_no) ?? { status: 'pending_payment' }));
      if (standing.length > 1)
        yield `${shopper} was given ${standing.length} order numbers of sale ${facts.id}: ${standing.join(' ')}`;
      // A replay names the order of an earlier token. A new buy has a new order.
      const bought = given.filter(({ body }) => body?.['replayed'] !== true);
      for (const [token, buys] of Map.groupBy(bought, (call) => call.token)) {
        const ofToken = new Set(buys.map(orderNoOf));
        if (ofToken.size > 1)
          yield `${shopper} was given ${[...ofToken].join(' and ')} of sale ${facts.id} for one seckill token, ${token}`;
      }
    }
  }
};

/**
 * 9. Fenced. Observed from outside: the ledger's fencing token never falls, `sold` always equals
 * the number of live orders, and the owners of a ready sale never decrease unless units were given
 * back.
 */
export const fenced: Check = function* (record, views) {
  for (const view of views) {
    const { facts, final } = view;
    const ledger = record.ledgerSamples.filter(({ sale }) => sale === facts.id);
    for (const [i, { fence, sold, live, at_ms }] of ledger.entries()) {
      const before = ledger[i - 1];
      if (before !== undefined && fence < before.fence)
        yield `the fencing token of sale ${facts.id} fell from ${before.fence} to ${fence} before ${at_ms}`;
      if (sold !== live) yield `sale ${facts.id} had ${live} live orders and sold = ${sold} at ${at_ms}`;
    }
    const live = final.orders.filter(isLive).length;
    if (final.sold !== live) yield `sale ${facts.id} ends with ${live} live orders and sold = ${final.sold}`;
    const ready = samplesOf(record, facts).filter((sample) => sample.ready);
    for (const [i, { owners, history_id, at_ms }] of ready.entries()) {
      const before = ready[i - 1];
      if (before === undefined || before.history_id !== history_id) continue;
      const returned = returnsBetween(view, before.at_ms, at_ms);
      if (before.owners - owners > returned)
        yield `sale ${facts.id} went from ${before.owners} owners to ${owners} before ${at_ms}, and ${returned} units went back`;
    }
  }
};

/** 10. Only inside [start_time, end_time). */
export const onlyWhileOpen: Check = function* (_record, views) {
  for (const { facts, final, buys } of views) {
    const { id, start_ms, end_ms } = facts;
    for (const { order_no, created_at_ms } of final.orders) {
      if (created_at_ms < start_ms || created_at_ms >= end_ms)
        yield `order ${order_no} was admitted at ${created_at_ms}, outside [${start_ms}, ${end_ms}) of sale ${id}`;
    }
    for (const call of buys) {
      const isFirst = call.status === 202 && call.body?.['replayed'] !== true;
      if (isFirst && call.answered_ms < start_ms - CLOCK_MS)
        yield `a buy of sale ${id} was accepted at ${call.answered_ms}, before its start at ${start_ms}`;
      if (codeOf(call) === 'not_started' && call.sent_ms > start_ms + CLOCK_MS)
        yield `a buy sent at ${call.sent_ms} was told that sale ${id} starts at ${start_ms}`;
      if (codeOf(call) === 'ended' && call.answered_ms < end_ms - CLOCK_MS)
        yield `a buy was told at ${call.answered_ms} that sale ${id} has ended, which it does at ${end_ms}`;
    }
  }
};

/** 11. It comes back by itself. */
export const comesBack: Check = function* (record, views) {
  for (const { fault, healed_ms, recovery_ms, standstills } of record.strikes) {
    for (const standstill of standstills) yield `${fault}: ${standstill}`;
    if (recovery_ms === null || recovery_ms > RECOVERY_MS_MAX)
      yield `${fault} was healed at ${healed_ms} and nothing had recovered ${RECOVERY_MS_MAX / 1_000} s later`;
  }
  if (!record.drained) yield 'the orders were not all settled in time';
  for (const { facts, final } of views) if (!final.ready) yield `sale ${facts.id} is not ready at the end`;
};
