import { setTimeout as pause } from 'node:timers/promises';
import {
  buyUnit,
  untilCalled,
  Refused,
  retrying,
  seckillToken,
  type BuyOptions,
  type ErrorCode,
  type Order,
  type Place,
  type ShopperClient,
} from '@flash-sale/web/client';
import type { Habits } from './options.ts';
import type { ClientOf } from './shoppers.ts';
import { Unsolved, type Solvers } from './solvers.ts';
import type { Tally, Visit } from './tally.ts';

/**
 * A shopper who is not served within this time leaves. Counted from the start, if they came before.
 */
const PATIENCE_MS = 120_000;
/** How often a shopper looks whether the payment has arrived. */
const LOOK_MS = 500;
/** Refusals that pass without the service saying when, and when a shopper tries again. */
const PASSING: ReadonlySet<ErrorCode> = new Set(['paused', 'tokens_exhausted']);
const PASSING_MS = 1_500;
/** How often a shopper in a waiting room looks at the place. */
const ROOM_LOOK_MS = 2_000;
/**
 * How long a shopper in a waiting room hopes for units that come back, at least: longer than a
 * payment takes.
 */
export const HOPE_MS = 10_000;

interface VisitDeps {
  readonly clientOf: ClientOf;
  readonly solvers: Solvers;
  readonly habits: Habits;
  readonly tally: Tally;
  /** `HOPE_MS`, unless a test shortens it. */
  readonly hopeMs: number;
  /** Sends the shopper home. */
  readonly stop: AbortSignal;
}

/** One shopper's visit of a sale, from the page of the sale to the paid or cancelled order. */
export async function visit(userId: string, saleId: number, deps: VisitDeps): Promise<Visit> {
  const { clientOf, solvers, habits, tally, stop } = deps;
  const orderNos = new Set<string>();
  let acceptedMs = 0;
  let order: Order | undefined;
  const onAccepted = (orderNo: string): void => {
    acceptedMs = performance.now();
    orderNos.add(orderNo);
  };
  const ended = (ending: Visit['ending']): Visit => ({ userId, orderNos: [...orderNos], order, ending });

  /** Buys, and does with the order what the shopper likes. */
  async function buy(client: ShopperClient, options: BuyOptions & { readonly token?: string }): Promise<Visit> {
    const clicks = Math.random() < habits.doubleClick ? 2 : 1;
    order = await patiently(() => click(clicks, () => buyUnit(client, saleId, options)), signal);
    tally.add('order', performance.now() - acceptedMs);
    tally.ordered += 1;
    if (order.status === 'pending_payment') order = await afterwards(client, order, habits, signal);
    return ended(order.status);
  }

  /** Joins the waiting room, buys when called, and leaves when nothing comes back any more. */
  async function fromRoom(client: ShopperClient, solve: BuyOptions['solve']): Promise<Visit> {
    const leaving = new AbortController();
    const waiting = AbortSignal.any([signal, leaving.signal]);
    const hopeMs = deps.hopeMs * (1 + Math.random() / 2);
    let soldOutSinceMs: number | undefined;
    const onPlace = (place: Place): void => {
      if (place.status !== 'sold_out') {
        soldOutSinceMs = undefined;
        return;
      }
      soldOutSinceMs ??= performance.now();
      if (place.units_may_return !== true || performance.now() - soldOutSinceMs > hopeMs) leaving.abort();
    };
    let ticket: string | undefined;
    const onTicket = (issued: string): void => void (ticket = issued);
    // The crowd shares its connections, and most of it would hold one for long.
    const polling = { pollSeconds: 0, restMs: ROOM_LOOK_MS, signal: waiting, onTicket, onPlace };
    for (;;) {
      try {
        const called = await untilCalled(client, saleId, { ...polling, solve, ticket });
        if (called === undefined) return ended('ended');
        return await buy(client, { solve, signal, ticket: called });
      } catch (error) {
        if (leaving.signal.aborted && !signal.aborted) return ended('sold_out');
        if (!(error instanceof Refused) || error.code !== 'sold_out') throw error;
        // The place is kept, for units that come back.
        await pause(PASSING_MS * (1 + Math.random()), undefined, { signal });
      }
    }
  }

  let signal = AbortSignal.any([stop, AbortSignal.timeout(PATIENCE_MS)]);
  try {
    const { client, solve } = solvers.equip(tally.noting(await clientOf(userId, signal), onAccepted));
    const sale = await retrying(() => client.product(saleId, { signal }), { signal });
    if (sale.waiting_room !== undefined) return await fromRoom(client, solve);
    const { token } = await patiently(() => seckillToken(client, saleId, { solve, signal }), signal);
    const leftMs = Date.parse(sale.start_time) - client.clock.now();
    if (leftMs > 0) {
      await pause(leftMs, undefined, { signal: stop });
      signal = AbortSignal.any([stop, AbortSignal.timeout(PATIENCE_MS)]);
    }
    return await buy(client, { token, solve, signal });
  } catch (error) {
    if (signal.aborted || error instanceof Unsolved) return ended(order?.status ?? 'gave_up');
    if (error instanceof Refused) return ended(error.code);
    throw error;
  }
}

/** Tries again while the sale is paused, or while other shoppers have all seckill tokens. */
async function patiently<Answer>(call: () => Promise<Answer>, signal: AbortSignal): Promise<Answer> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof Refused) || !PASSING.has(error.code)) throw error;
      await pause(PASSING_MS * (1 + Math.random()), undefined, { signal });
    }
  }
}

/**
 * Buys by clicks at the same moment. One of several may be refused, if a unit comes back between
 * them.
 */
async function click(times: number, buy: () => Promise<Order>): Promise<Order> {
  const clicks = await Promise.allSettled(Array.from({ length: times }, buy));
  const good = clicks.find((one) => one.status === 'fulfilled');
  if (good !== undefined) return good.value;
  throw (clicks[0] as PromiseRejectedResult).reason;
}

/** Pays, cancels or abandons the order. Returns it as it is then. */
async function afterwards(client: ShopperClient, order: Order, habits: Habits, signal: AbortSignal): Promise<Order> {
  const { order_no: orderNo } = order;
  const read = (): Promise<Order> => retrying(() => client.order(orderNo, { signal }), { signal });
  const mood = Math.random();
  try {
    if (mood >= habits.pay + habits.abandon)
      return await retrying(() => client.cancel(orderNo, { signal }), { signal });
    if (mood >= habits.pay) return order;
    const { provider, next } = await retrying(() => client.pay(orderNo, { signal }), { signal });
    // Nobody is here to enter a card.
    if (next.action === 'redirect' && provider !== 'sandbox') return order;
    let latest = order;
    while (latest.status === 'pending_payment') {
      await pause(LOOK_MS * (1 + Math.random()), undefined, { signal });
      latest = await read();
    }
    return latest;
  } catch (error) {
    // The order has expired meanwhile.
    if (!(error instanceof Refused) || error.code !== 'invalid_state') throw error;
    return read();
  }
}
