import type { Client } from './client.ts';
import type { SaleFacts } from './checker/record.ts';
import type { Call } from './history.ts';
import { OrderHolder, payingPlans, plansOf, type Plans } from './order-holder.ts';
import { retryLater, TRIES_MAX, unlessClosing, type Patience } from './patience.ts';
import type { Random } from './random.ts';

/** The maximum number of orders of one shopper, failed and closed ones included. */
const ORDERS_MAX = 3;
/**
 * How long after an order's close its unit can be bought again. An earlier buy gets the same order.
 */
const RETURN_MS = 400;
/** How long one poll of a place waits. */
const ROOM_WAIT_S = 1;

/** What a shopper knows of a sale. */
export type ShopperSale = Pick<SaleFacts, 'id' | 'units_per_shopper' | 'has_room'>;

/** How a shopper behaves. The seed decides it before the shopper arrives. */
export interface Manners {
  /** The units that the shopper wants. If fewer are left, the shopper takes those. */
  readonly quantity: number;
  /** The number of buys sent at once. */
  readonly clicks: number;
  /** Sends the buys to both api processes, not to the same one. */
  readonly clicksSpread: boolean;
  /** Leaves after the first buy, without reading its answer. */
  readonly vanishes: boolean;
  readonly polls: boolean;
  /** Buys again after the order exists, another quantity, to check whether it is the same. */
  readonly asksAgain: boolean;
  /** Uses another shopper's seckill token. */
  readonly steals: boolean;
  /** What a shopper who polls does with the order. */
  readonly plans: Plans;
}

export function mannersOf(random: Random, { units_per_shopper: unitsPerShopper }: ShopperSale): Manners {
  const clicks = random.chance(0.85) ? 1 : random.integer(2, 3);
  return {
    quantity: random.integer(1, unitsPerShopper),
    clicks,
    clicksSpread: random.chance(0.3),
    vanishes: random.chance(0.03),
    polls: random.chance(0.8),
    asksAgain: random.chance(0.1),
    steals: random.chance(0.01),
    plans: plansOf(random),
  };
}

/** Buys and repeats calls, without any special behaviour. */
export const plainManners: Manners = {
  quantity: 1,
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
  /** The last seckill token of another shopper. */
  readonly lastToken: { of?: string; token?: string };
}

/**
 * One shopper at one sale: gets a seckill token, buys, repeats the call if the outcome is open,
 * polls, and pays or not.
 */
export class Shopper {
  readonly id: string;
  readonly #sale: ShopperSale;
  readonly #manners: Manners;
  readonly #deps: ShopperDeps;
  /** Of the waiting room. The first one is the best. */
  #ticket: string | undefined;

  constructor(id: string, sale: ShopperSale, manners: Manners, deps: ShopperDeps) {
    this.id = id;
    this.#sale = sale;
    this.#manners = manners;
    this.#deps = deps;
  }

  async run(): Promise<void> {
    const { clicks, steals, vanishes, polls, asksAgain, plans } = this.#manners;
    const { client, lastToken, closing } = this.#deps;
    if (steals && lastToken.token !== undefined && lastToken.of !== this.id) {
      await this.#buyOnce(lastToken.token, 0, 1);
      return;
    }
    let { quantity } = this.#manners;
    for (let orders = 0; orders < ORDERS_MAX; orders += 1) {
      const token = await this.token();
      if (token === undefined) return;
      lastToken.of = this.id;
      lastToken.token = token;
      if (vanishes) {
        void client.call({ ...this.#buyPlan(token, quantity), vanish: true });
        return;
      }
      const api = this.#deps.random.integer(0, client.apis - 1);
      const answers = await Promise.all(
        Array.from({ length: clicks }, (_, i) => this.buy(token, this.#manners.clicksSpread ? api + i : api, quantity)),
      );
      const accepted = answers.find((answer) => answer?.status === 202);
      const left = Math.max(0, ...answers.map((answer) => Number(answer?.body?.['available'] ?? 0)));
      if (accepted === undefined && left > 0) {
        quantity = Math.min(quantity, left);
        continue;
      }
      // The token has expired, or Redis has lost it. Another one may be accepted.
      if (accepted === undefined && answers.some((answer) => answer?.body?.['code'] === 'token_invalid')) continue;
      if (accepted === undefined || !polls) return;
      const holder = new OrderHolder(String(accepted.body?.['order_no']), {
        ...this.#deps,
        shopper: this.id,
        sale: this.#sale.id,
      });
      const outcome = await holder.written();
      if (asksAgain) await this.buy(token, api + 1, this.#deps.random.integer(1, this.#sale.units_per_shopper));
      // The unit of a failed or closed order is given back, and its shopper may try again.
      const mayBuyAgain = outcome === 'failed' || (outcome !== undefined && (await holder.carryOut(plans)));
      if (!mayBuyAgain) return;
      await unlessClosing(RETURN_MS, closing);
    }
  }

  /** A seckill token, or undefined if the sale issues none. */
  async token(): Promise<string | undefined> {
    const ticket = this.#sale.has_room === true ? await this.#calledTicket() : undefined;
    if (this.#sale.has_room === true && ticket === undefined) return undefined;
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const answer = await this.#deps.client.call({
        kind: 'token',
        shopper: this.id,
        sale: this.#sale.id,
        method: 'POST',
        path: '/api/v1/seckill/token',
        body: { user_id: this.id, product_id: this.#sale.id, ...(ticket === undefined ? {} : { ticket }) },
      });
      if (answer.status === 200) return String(answer.body?.['token']);
      if (!(await retryLater(answer, this.#deps))) return undefined;
    }
    return undefined;
  }

  /** Waits in the waiting room until called. Undefined if nothing is left, or the shop closes. */
  async #calledTicket(): Promise<string | undefined> {
    const { client, closing } = this.#deps;
    const of = { shopper: this.id, sale: this.#sale.id };
    const path = '/api/v1/seckill/queue';
    const claim = { user_id: this.id, product_id: this.#sale.id };
    while (!closing.aborted) {
      if (this.#ticket === undefined) {
        const joined = await client.call({ kind: 'join', ...of, method: 'POST', path, body: claim });
        if (joined.status === 200) this.#ticket = String(joined.body?.['ticket']);
        else if (!(await retryLater(joined, this.#deps))) return undefined;
        continue;
      }
      const query = new URLSearchParams({
        user_id: this.id,
        product_id: String(this.#sale.id),
        ticket: this.#ticket,
        wait: String(ROOM_WAIT_S),
      });
      const answer = await client.call({ kind: 'place', ...of, method: 'GET', path: `${path}?${query.toString()}` });
      const status = answer.body?.['status'];
      if (answer.status === 200 && status === 'called') return this.#ticket;
      if (answer.status === 200 && status !== 'waiting') return undefined;
      if (answer.status !== 200 && !(await retryLater(answer, this.#deps))) return undefined;
    }
    return undefined;
  }

  /** Buys until the answer is final. Undefined after too many attempts. */
  async buy(token: string, api: number, quantity = 1): Promise<Call | undefined> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      // Without an answer, try the other process, as a load balancer does.
      const answer = await this.#buyOnce(token, api + tries, quantity);
      if (!(await retryLater(answer, this.#deps))) return answer;
    }
    return undefined;
  }

  #buyPlan(token: string, quantity: number) {
    return {
      kind: 'buy' as const,
      shopper: this.id,
      sale: this.#sale.id,
      method: 'POST' as const,
      path: '/api/v1/seckill/buy',
      // One unit need not be said.
      body: { user_id: this.id, product_id: this.#sale.id, token, ...(quantity === 1 ? {} : { quantity }) },
      token,
      quantity,
    };
  }

  #buyOnce(token: string, api: number, quantity: number): Promise<Call> {
    return this.#deps.client.call({ ...this.#buyPlan(token, quantity), api });
  }
}
