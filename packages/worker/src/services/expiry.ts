import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { ordersToExpire } from '@flash-sale/shared/order-moves/orders-to-expire.ts';
import { expireOrders } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import type { SaleTransactions } from '@flash-sale/shared/order-moves/sale-transactions.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';
import { Failures } from './outage.ts';

const INTERVAL_MS = 250;
/**
 * Orders that are read together, so the maximum of a transaction. A transaction costs a dozen round
 * trips, and may lock the sale's row for a few dozen ms only.
 */
const BATCH = 1_000;
/** A sale whose Redis hangs takes as long as a call may take. */
const SALES_AT_ONCE = 4;
/** After this time the sales that failed are tried again. */
const ROUND_MS_MAX = 10_000;

export interface ExpiryDeps {
  readonly db: Db;
  readonly saleTransactions: SaleTransactions;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Expiry: closes orders that were not paid in time. One process at a time finds them in MySQL by an
 * index. If two run at once, each order still closes once, since a move checks the status that it
 * leaves.
 */
export function expiry(deps: ExpiryDeps): Rounds<'expiry'> {
  const { db, log, metrics } = deps;

  /** Returns the error that kept the sale's orders from expiring. */
  async function expire(productId: number, orders: readonly { readonly orderNo: string }[]): Promise<unknown> {
    const orderNos = orders.map(({ orderNo }) => orderNo);
    try {
      const expired = await expireOrders(deps, productId, orderNos);
      metrics.ordersExpired.inc(expired);
      return undefined;
    } catch (error) {
      log.warn({ err: error, sale: productId }, 'could not expire orders; retrying later');
      return error;
    }
  }

  async function sweep(stopping: AbortSignal): Promise<void> {
    const untilMs = performance.now() + ROUND_MS_MAX;
    /** Sales that failed in this round. They must not delay the others. */
    const stuck = new Set<number>();
    const failures = new Failures();
    while (!stopping.aborted && performance.now() < untilMs) {
      const due = await ordersToExpire(db, BATCH, [...stuck]);
      const bySale = [...Map.groupBy(due, (order) => order.productId)];
      const next = async (): Promise<void> => {
        for (let sale = bySale.shift(); sale !== undefined && !stopping.aborted; sale = bySale.shift()) {
          const [productId, orders] = sale;
          const failure = await expire(productId, orders);
          if (failure === undefined) continue;
          stuck.add(productId);
          failures.note(failure);
        }
      };
      await Promise.all(Array.from({ length: SALES_AT_ONCE }, next));
      if (due.length < BATCH) break;
    }
    failures.endRound();
  }

  return {
    name: 'expiry',
    intervalMs: INTERVAL_MS,
    round: sweep,
  };
}
