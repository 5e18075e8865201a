import { Refused, retrying, type Order, type RetryOptions } from '../client/client.ts';
import type { PurchaseOptions } from './purchase-options.ts';
import type { PurchaseState } from './purchase-state.ts';
import type { Waits } from './waits.ts';

const POLL_SECONDS = 20;
const QUEUED_REST_MS = 500;
const PENDING_REST_MS = 5_000;
/** While a payment is awaited, and when the time to pay ends. */
const SOON_REST_MS = 700;

interface Deps extends Pick<PurchaseOptions, 'client' | 'watch' | 'records'> {
  readonly waits: Waits;
  readonly show: (state: PurchaseState) => void;
  readonly retryOptions: (signal: AbortSignal) => RetryOptions;
}

/** Reads an order until it is final, and shows each state of it. */
export class OrderFollower {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async follow(orderNo: string, signal: AbortSignal): Promise<void> {
    const { client, records, watch, waits, show, retryOptions } = this.#deps;
    let waitSeconds: number | undefined;
    for (;;) {
      let order: Order;
      try {
        order = await retrying(() => client.order(orderNo, { waitSeconds, signal }), retryOptions(signal));
      } catch (error) {
        if (!(error instanceof Refused) || error.code !== 'not_found') throw error;
        records.clear();
        show({ at: 'idle', isOrderLost: true });
        return;
      }
      if (signal.aborted) return;
      const { doing, isPaymentLost } = this.#payment(order);
      show({ at: 'order', order, doing, isPaymentLost });
      if (order.status === 'queued') {
        waitSeconds = POLL_SECONDS;
        await waits.rest(QUEUED_REST_MS * Math.random(), signal);
      } else if (order.status === 'pending_payment') {
        waitSeconds = undefined;
        const isExpiring =
          order.expires_at !== undefined && Date.parse(order.expires_at) - client.clock.now() < PENDING_REST_MS;
        const restMs = doing === 'paying' || isExpiring ? SOON_REST_MS : PENDING_REST_MS;
        await waits.rest(restMs * (1 + Math.random() / 2), signal);
      } else {
        void watch.refresh();
        return;
      }
    }
  }

  /** Whether a payment of the order is under way, or had no result. */
  #payment({ status }: Order): { doing?: 'paying' | undefined; isPaymentLost: boolean } {
    const { client, records } = this.#deps;
    const { payingUntilMs } = records.read();
    if (payingUntilMs === undefined || status !== 'pending_payment') return { isPaymentLost: false };
    const isLate = client.clock.now() > payingUntilMs;
    return { doing: isLate ? undefined : 'paying', isPaymentLost: isLate };
  }
}
