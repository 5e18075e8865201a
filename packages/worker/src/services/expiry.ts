import type { Db } from '@flash-sale/shared/db/client.ts';
import { withNamedLock } from '@flash-sale/shared/db/named-lock.ts';
import { ordersToExpire } from '@flash-sale/shared/db/orders.ts';
import { expireOrders } from '@flash-sale/shared/order/moves.ts';
import type { SaleTransactions } from '@flash-sale/shared/order/sale-transactions.ts';
import type { Logger } from '@flash-sale/shared/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/telemetry/metrics.ts';
import type { Rounds } from './service.ts';

const INTERVAL_MS = 250;
/** Orders in one transaction: as many as a lock of the sale's row of a few dozen ms allows, since each one costs a dozen round trips. */
const BATCH = 1_000;
/** After this long the sales that could not be swept are tried again. */
const ROUND_MS_MAX = 10_000;

export interface ExpiryDeps {
  readonly db: Db;
  readonly saleTransactions: SaleTransactions;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Expiry: closes orders that were not paid in time. Swept from MySQL by an index, by one process at a time, by a lock of MySQL's: so it depends
 * on nothing that a loss of Redis takes away.
 */
export function expiry(deps: ExpiryDeps): Rounds {
  const { db, log, metrics } = deps;

  async function sweep(ending: AbortSignal): Promise<void> {
    const until_ms = performance.now() + ROUND_MS_MAX;
    /** Sales that could not be swept now, which must not keep the others waiting. */
    const stuck = new Set<number>();
    while (!ending.aborted && performance.now() < until_ms) {
      const due = await ordersToExpire(db, BATCH, [...stuck]);
      for (const [product_id, orders] of Map.groupBy(due, (order) => order.product_id)) {
        const orderNos = orders.map(({ order_no }) => order_no);
        try {
          const expired = await expireOrders(deps, product_id, orderNos);
          metrics.orders_expired.inc(expired);
          log.info({ sale: product_id, orders: orderNos, expired }, 'orders expired');
        } catch (error) {
          stuck.add(product_id);
          log.warn({ err: error, sale: product_id }, 'orders not expired; tried again later');
        }
      }
      if (due.length < BATCH) return;
    }
  }

  return {
    name: 'expiry',
    interval_ms: INTERVAL_MS,
    round: (stopping) => withNamedLock(db, 'expiry', (lost) => sweep(AbortSignal.any([stopping, lost]))),
  };
}
