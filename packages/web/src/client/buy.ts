import type { ShopperClient } from './calls.ts';
import { pause } from './pause.ts';
import { Refused } from './refused.ts';
import { retrying, type RetryOptions } from './retry.ts';
import type { Challenge, Order, SeckillToken } from './types.ts';

/** How long one poll waits for the order to leave `queued`. */
const POLL_SECONDS = 20;
/** If the service still says `not_started` after this time, an operator has moved the start. */
const START_MS_MAX = 1_000;
/**
 * A new seckill token that is refused again and again is a fault: asking for more would not end.
 */
const NEW_TOKENS_MAX = 3;

export interface BuyOptions extends RetryOptions {
  /** Solves a proof of work. Without it, one that is asked for is a refusal. */
  readonly solve?: ((challenge: Challenge) => Promise<string>) | undefined;
  /** The ticket of a called shopper, if the sale has a waiting room. */
  readonly ticket?: string | undefined;
}

/**
 * Gets the shopper's seckill token for a sale, with a proof of work if the service asks for one.
 */
export function seckillToken(
  client: ShopperClient,
  productId: number,
  options: BuyOptions = {},
): Promise<SeckillToken> {
  const { solve, signal, ticket } = options;
  let solution: string | undefined;
  return retrying(async () => {
    try {
      return await client.token(productId, { solution, ticket, signal });
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== 'challenge_required' || solve === undefined) throw error;
      solution = await solve(await client.challenge(productId, { signal }));
      return client.token(productId, { solution, signal });
    }
  }, options);
}

/**
 * Buys one unit, or more if the sale allows that: gets a seckill token if none is given, waits for
 * the start, repeats the buy as the service asks, and follows the order until it is no longer
 * `queued`. Called again after a crash or a lost network, it returns the same order.
 *
 * @throws Refused if there is nothing to buy: `sold_out` (`available` says how many units are left,
 * if there are some), `ended`, `paused`, …
 */
export async function buyUnit(
  client: ShopperClient,
  productId: number,
  options: BuyOptions & {
    readonly token?: string | undefined;
    /** 1 by default. */
    readonly quantity?: number | undefined;
  } = {},
): Promise<Order> {
  let { token = (await seckillToken(client, productId, options)).token } = options;
  for (let newTokens = 0; ;) {
    try {
      const accepted = await retrying(() => client.buy(productId, token, options), options);
      return await settledOrder(client, accepted.order_no, options);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.code === 'not_started') {
        await untilStart(client, productId, options);
      } else if (error.code === 'token_invalid' && newTokens < NEW_TOKENS_MAX) {
        // It has expired, or belongs to an order that is closed.
        newTokens += 1;
        ({ token } = await seckillToken(client, productId, options));
      } else {
        throw error;
      }
    }
  }
}

/** Follows an order until it is no longer `queued`. */
export async function settledOrder(client: ShopperClient, orderNo: string, options: RetryOptions = {}): Promise<Order> {
  for (;;) {
    const order = await retrying(
      () => client.order(orderNo, { waitSeconds: POLL_SECONDS, signal: options.signal }),
      options,
    );
    if (order.status !== 'queued') return order;
  }
}

async function untilStart(client: ShopperClient, productId: number, options: RetryOptions): Promise<void> {
  const sale = await retrying(() => client.product(productId, options), options);
  const leftMs = Date.parse(sale.start_time) - client.clock.now();
  await pause(Math.max(leftMs, Math.random() * START_MS_MAX), options.signal);
}
