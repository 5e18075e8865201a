import type { Client } from './client.ts';
import { OPERATOR_TOKEN } from './cluster.ts';
import type { Call } from './history.ts';
import { retryLater, TRIES_MAX, unlessClosing, type Patience } from './patience.ts';
import type { Random } from './random.ts';

const POLL_WAIT_S = 4;
/**
 * A shopper without news of an order leaves after this time. The checker asks for the order at the
 * end.
 */
const POLL_MS_MAX = 10_000;
/** How often a shopper checks whether an order has changed. */
const LOOK_MS = 250;
const PAID_MS_MAX = 1_500;
/** Longer than the time to pay, and than a late payment takes. */
const CLOSED_MS_MAX = 4_500;

/** How the sandbox should treat a payment. */
export type Paying = 'pay' | 'decline' | 'late' | 'twice' | 'out_of_order';

/** What a shopper does with an order. The seed decides it before the shopper arrives. */
export interface Plans {
  /** `leaves`: does not pay and does not check; `waits`: waits until it has expired. */
  readonly does: 'pays' | 'cancels' | 'leaves' | 'waits';
  readonly paying: Paying;
  /** Sends the payment to both api processes at once. */
  readonly paysTwice: boolean;
  /** Pays and cancels at the same moment. The first one counts. */
  readonly wavers: boolean;
  /** Checks the outcome of the order. */
  readonly looksBack: boolean;
  /** An operator refunds the order after it is paid. */
  readonly isRefunded: boolean;
  /** Buys again after the order is closed. */
  readonly buysAgain: boolean;
}

export function plansOf(random: Random): Plans {
  const does = random.next();
  return {
    does: does < 0.55 ? 'pays' : does < 0.7 ? 'cancels' : does < 0.9 ? 'leaves' : 'waits',
    paying: random.pick(['pay', 'pay', 'pay', 'decline', 'late', 'twice', 'out_of_order']),
    paysTwice: random.chance(0.1),
    wavers: random.chance(0.05),
    looksBack: true,
    isRefunded: random.chance(0.05),
    buysAgain: random.chance(0.5),
  };
}

/** Pays at once and leaves. */
export const payingPlans: Plans = {
  does: 'pays',
  paying: 'pay',
  paysTwice: false,
  wavers: false,
  looksBack: false,
  isRefunded: false,
  buysAgain: false,
};

export interface HolderDeps extends Patience {
  readonly client: Client;
  readonly shopper: string;
  readonly sale: number;
}

/** A shopper's handling of one order: it is polled, paid, cancelled or ignored. */
export class OrderHolder {
  readonly #orderNo: string;
  readonly #deps: HolderDeps;

  constructor(orderNo: string, deps: HolderDeps) {
    this.#orderNo = orderNo;
    this.#deps = deps;
  }

  /**
   * Waits until the order is written. Returns its status then, or undefined if that was not seen.
   */
  written(): Promise<string | undefined> {
    return this.#pollUntil((status) => status !== 'queued', POLL_MS_MAX, POLL_WAIT_S);
  }

  /**
   * Carries out the plan. Returns whether the shopper saw that the order is closed and wants
   * another one.
   */
  async carryOut(plans: Plans): Promise<boolean> {
    const api = this.#deps.random.integer(0, this.#deps.client.apis - 1);
    if (plans.does === 'leaves') return false;
    if (plans.does === 'pays') await this.#pay(plans, api);
    if (plans.does === 'cancels') await this.#cancel(api);
    if (!plans.looksBack) return false;
    // With a declined or late payment the order expires.
    const isSlow = plans.does === 'waits' || plans.paying === 'late' || plans.paying === 'decline';
    const limitMs = isSlow ? CLOSED_MS_MAX : PAID_MS_MAX;
    let status = await this.#pollUntil((seen) => seen !== 'pending_payment' && seen !== 'queued', limitMs);
    if (status === 'paid' && plans.isRefunded) {
      await this.#refund();
      status = await this.#pollUntil((seen) => seen === 'refunded', PAID_MS_MAX);
    }
    return plans.buysAgain && status !== undefined && status !== 'pending_payment' && status !== 'paid';
  }

  async #pay({ paying, paysTwice, wavers }: Plans, api: number): Promise<void> {
    const body = { sandbox: paying };
    await Promise.all([
      this.#ask('pay', api, body),
      ...(paysTwice ? [this.#ask('pay', api + 1, body)] : []),
      ...(wavers ? [this.#cancel(api + 1)] : []),
    ]);
    if (paying !== 'decline') return;
    const wants = await this.#pollUntil((status) => status !== 'pending_payment', 2 * LOOK_MS);
    // The payment was declined. Every second shopper tries another card.
    if (wants === undefined && this.#deps.random.chance(0.5)) await this.#ask('pay', api, { sandbox: 'pay' });
  }

  async #cancel(api: number): Promise<void> {
    await this.#ask('cancel', api, {});
  }

  /** Repeats a call until the answer is final, each time with another api process. */
  async #ask(kind: 'pay' | 'cancel', api: number, body: Record<string, unknown>): Promise<Call | undefined> {
    const { client, shopper, sale } = this.#deps;
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const answer = await client.call({
        kind,
        shopper,
        sale,
        method: 'POST',
        path: `/api/v1/orders/${this.#orderNo}/${kind}`,
        body: { user_id: shopper, ...body },
        order_no: this.#orderNo,
        api: api + tries,
      });
      if (!(await retryLater(answer, this.#deps))) return answer;
    }
    return undefined;
  }

  async #refund(): Promise<void> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const answer = await this.#deps.client.call({
        kind: 'refund',
        shopper: '',
        sale: this.#deps.sale,
        method: 'POST',
        path: `/api/v1/admin/orders/${this.#orderNo}/refund`,
        headers: { authorization: `Bearer ${OPERATOR_TOKEN}` },
        order_no: this.#orderNo,
      });
      if (!(await retryLater(answer, this.#deps))) return;
    }
  }

  /** The first wanted status, or undefined if it was not seen in time. */
  async #pollUntil(
    isWanted: (status: string) => boolean,
    limitMs: number,
    waitS?: number,
  ): Promise<string | undefined> {
    const { client, shopper, sale, closing } = this.#deps;
    const untilMs = Date.now() + limitMs;
    while (Date.now() < untilMs && !closing.aborted) {
      const answer = await client.call({
        kind: 'poll',
        shopper,
        sale,
        method: 'GET',
        path: `/api/v1/orders/${this.#orderNo}${waitS === undefined ? '' : `?wait=${waitS}`}`,
        order_no: this.#orderNo,
        ...(waitS === undefined ? {} : { patience_ms: waitS * 1_000 + 2_000 }),
      });
      const status = String(answer.body?.['status']);
      if (answer.status === 200 && isWanted(status)) return status;
      if (answer.status !== 200 && !(await retryLater(answer, this.#deps))) return undefined;
      if (answer.status === 200 && waitS === undefined) await unlessClosing(LOOK_MS, closing);
    }
    return undefined;
  }
}
