import type { Sale } from '@flash-sale/shared/domain/sale.ts';
import { loadSale, needsLoading, type RebuildDeps } from '@flash-sale/shared/sale/rebuild.ts';
import type { Logger } from '@flash-sale/shared/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/telemetry/metrics.ts';
import type { SaleList } from './sale-list.ts';
import type { Rounds } from './service.ts';

const INTERVAL_MS = 250;
/** Longer than a holder keeps the lease once somebody waits for it. */
const LEASE_WAIT_MS = 2_000;
const REBUILDS_AT_ONCE = 8;

export interface WarmUpDeps extends RebuildDeps {
  readonly sales: SaleList;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Warm-up: loads every sale that Redis does not have as the ledger has it: new ones before they open, all of them after Redis
 * was restarted, emptied or promoted, and one whose product has changed.
 */
export function warmUp(deps: WarmUpDeps): Rounds {
  const { sales, log, metrics } = deps;

  async function rebuild(sale: Sale): Promise<void> {
    try {
      const rebuilt = await loadSale(deps, sale, LEASE_WAIT_MS);
      if (rebuilt === undefined) return;
      metrics.rebuilds.inc();
      log.info({ sale: sale.id, owners: rebuilt.owners, available: rebuilt.available }, 'sale rebuilt');
    } catch (error) {
      log.warn({ err: error, sale: sale.id }, 'rebuild failed; the next round starts over');
    }
  }

  return {
    name: 'warm_up',
    interval_ms: INTERVAL_MS,
    async round(stopping) {
      const known = await sales.current();
      const needy = await Promise.all(known.map((sale) => needsLoading(deps, sale)));
      const waiting = known.filter((_, i) => needy[i]);
      const rebuildNext = async (): Promise<void> => {
        for (let sale = waiting.shift(); sale !== undefined && !stopping.aborted; sale = waiting.shift())
          await rebuild(sale);
      };
      await Promise.all(Array.from({ length: REBUILDS_AT_ONCE }, rebuildNext));
    },
  };
}
