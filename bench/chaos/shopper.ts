import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from './client.ts';
import type { Call } from './history.ts';
import type { Random } from './random.ts';

const TRIES_MAX = 25;
const RETRY_MS_MAX = 1_000;
const POLL_WAIT_S = 4;
/** Who has heard nothing of an order for this long goes home; the checker asks for it in the end. */
const POLL_MS_MAX = 10_000;

/** How a shopper behaves: decided by the seed before it comes. */
export interface Manners {
  /** How many times the button is pressed at once. */
  readonly clicks: number;
  /** The clicks go to both api processes and not to the same one. */
  readonly clicksSpread: boolean;
  /** Leaves right after the first click, without reading its answer. */
  readonly vanishes: boolean;
  readonly polls: boolean;
  /** Buys again after the order is there, to see whether it is the same. */
  readonly asksAgain: boolean;
  /** Uses a seckill token that belongs to somebody else. */
  readonly steals: boolean;
}

export function mannersOf(random: Random): Manners {
  const clicks = random.chance(0.85) ? 1 : random.integer(2, 3);
  return {
    clicks,
    clicksSpread: random.chance(0.3),
    vanishes: random.chance(0.03),
    polls: random.chance(0.8),
    asksAgain: random.chance(0.1),
    steals: random.chance(0.01),
  };
}

/** Eager to buy and to repeat, with no doubt about anything. */
export const plainManners: Manners = {
  clicks: 1,
  clicksSpread: false,
  vanishes: false,
  polls: true,
  asksAgain: false,
  steals: false,
};

export interface ShopperDeps {
  readonly client: Client;
  readonly random: Random;
  /** Aborted when the shop closes: everybody leaves after the call they are in. */
  readonly closing: AbortSignal;
  /** The last seckill token that somebody else was given. */
  readonly lastToken: { of?: string; token?: string };
}

/** One shopper at one sale: gets a seckill token, buys, repeats where the outcome is not known, polls. */
export class Shopper {
  readonly id: string;
  readonly #sale: number;
  readonly #manners: Manners;
  readonly #deps: ShopperDeps;

  constructor(id: string, sale: number, manners: Manners, deps: ShopperDeps) {
    this.id = id;
    this.#sale = sale;
    this.#manners = manners;
    this.#deps = deps;
  }

  async run(): Promise<void> {
    const { clicks, steals, vanishes, polls, asksAgain } = this.#manners;
    const { client, lastToken } = this.#deps;
    if (steals && lastToken.token !== undefined && lastToken.of !== this.id) {
      await this.#buyOnce(lastToken.token, 0);
      return;
    }
    for (let orders = 0; orders < 3; orders += 1) {
      const token = await this.token();
      if (token === undefined) return;
      lastToken.of = this.id;
      lastToken.token = token;
      if (vanishes) {
        void client.call({ ...this.#buyPlan(token), vanish: true });
        return;
      }
      const api = this.#deps.random.integer(0, client.apis - 1);
      const answers = await Promise.all(
        Array.from({ length: clicks }, (_, i) => this.buy(token, this.#manners.clicksSpread ? api + i : api)),
      );
      const accepted = answers.find((answer) => answer?.status === 202);
      // Expired, or forgotten by a Redis that lost its data: another one may do.
      if (accepted === undefined && answers.some((answer) => answer?.body?.['code'] === 'token_invalid')) continue;
      if (accepted === undefined || !polls) return;
      const outcome = await this.#poll(String(accepted.body?.['order_no']));
      if (asksAgain) await this.buy(token, api + 1);
      // A failed order's unit goes back, and its shopper may try again.
      if (outcome !== 'failed') return;
      await pause(200);
    }
  }

  /** A seckill token, or undefined where the sale gives none. */
  async token(): Promise<string | undefined> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const answer = await this.#deps.client.call({
        kind: 'token',
        shopper: this.id,
        sale: this.#sale,
        method: 'POST',
        path: '/api/v1/seckill/token',
        body: { user_id: this.id, product_id: this.#sale },
      });
      if (answer.status === 200) return String(answer.body?.['token']);
      if (!(await this.#retryLater(answer))) return undefined;
    }
    return undefined;
  }

  /** Buys until the answer is one to believe; undefined where patience ran out. */
  async buy(token: string, api: number): Promise<Call | undefined> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      // Who got no answer tries the other process, as behind any load balancer.
      const answer = await this.#buyOnce(token, api + tries);
      if (!(await this.#retryLater(answer))) return answer;
    }
    return undefined;
  }

  #buyPlan(token: string) {
    return {
      kind: 'buy' as const,
      shopper: this.id,
      sale: this.#sale,
      method: 'POST' as const,
      path: '/api/v1/seckill/buy',
      body: { user_id: this.id, product_id: this.#sale, token },
      token,
    };
  }

  #buyOnce(token: string, api: number): Promise<Call> {
    return this.#deps.client.call({ ...this.#buyPlan(token), api });
  }

  /** The status that the order ended in, or undefined where that was not seen. */
  async #poll(order_no: string): Promise<string | undefined> {
    const until_ms = Date.now() + POLL_MS_MAX;
    while (Date.now() < until_ms && !this.#deps.closing.aborted) {
      const answer = await this.#deps.client.call({
        kind: 'poll',
        shopper: this.id,
        sale: this.#sale,
        method: 'GET',
        path: `/api/v1/orders/${order_no}?wait=${POLL_WAIT_S}`,
        order_no,
        patience_ms: POLL_WAIT_S * 1_000 + 2_000,
      });
      const status = answer.body?.['status'];
      if (answer.status === 200 && status !== 'queued') return String(status);
      if (answer.status === 200) continue;
      if (!(await this.#retryLater(answer))) return undefined;
    }
    return undefined;
  }

  /** Waits before the next try; false where the answer is final or the shop closes. */
  async #retryLater(answer: Call): Promise<boolean> {
    const isOpen = answer.status === null || answer.status === 503 || answer.status === 429;
    if (!isOpen || this.#deps.closing.aborted) return false;
    const asked_ms = answer.retry_after === null ? RETRY_MS_MAX / 4 : Number(answer.retry_after) * 1_000;
    const wait_ms = Math.min(RETRY_MS_MAX, asked_ms) * (0.3 + 0.7 * this.#deps.random.next());
    await pause(wait_ms, undefined, { signal: this.#deps.closing }).catch(() => undefined);
    return !this.#deps.closing.aborted;
  }
}
