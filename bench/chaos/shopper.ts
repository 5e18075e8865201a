import type { Client } from './client.ts';
import type { Call } from './history.ts';
import { OrderHolder, payingPlans, plansOf, type Plans } from './order-holder.ts';
import { retryLater, TRIES_MAX, unlessClosing, type Patience } from './patience.ts';
import type { Random } from './random.ts';

/** Orders that one shopper makes do with, failed and closed ones included. */
const ORDERS_MAX = 3;
/** A unit is buyable again this long after its order closed; who buys earlier is given the same order. */
const RETURN_MS = 400;

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
  /** What becomes of the order, for those who poll. */
  readonly plans: Plans;
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
    plans: plansOf(random),
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
  plans: payingPlans,
};

export interface ShopperDeps extends Patience {
  readonly client: Client;
  /** The last seckill token that somebody else was given. */
  readonly lastToken: { of?: string; token?: string };
}

/** One shopper at one sale: gets a seckill token, buys, repeats where the outcome is open, polls, and pays or not. */
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
    const { clicks, steals, vanishes, polls, asksAgain, plans } = this.#manners;
    const { client, lastToken, closing } = this.#deps;
    if (steals && lastToken.token !== undefined && lastToken.of !== this.id) {
      await this.#buyOnce(lastToken.token, 0);
      return;
    }
    for (let orders = 0; orders < ORDERS_MAX; orders += 1) {
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
      const holder = new OrderHolder(String(accepted.body?.['order_no']), {
        ...this.#deps,
        shopper: this.id,
        sale: this.#sale,
      });
      const outcome = await holder.written();
      if (asksAgain) await this.buy(token, api + 1);
      // The unit of a failed or closed order goes back, and its shopper may try again.
      const mayBuyAgain = outcome === 'failed' || (outcome !== undefined && (await holder.carryOut(plans)));
      if (!mayBuyAgain) return;
      await unlessClosing(RETURN_MS, closing);
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
      if (!(await retryLater(answer, this.#deps))) return undefined;
    }
    return undefined;
  }

  /** Buys until the answer is one to believe; undefined where patience ran out. */
  async buy(token: string, api: number): Promise<Call | undefined> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      // Who got no answer tries the other process, as behind any load balancer.
      const answer = await this.#buyOnce(token, api + tries);
      if (!(await retryLater(answer, this.#deps))) return answer;
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
}
