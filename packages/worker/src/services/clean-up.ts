import { KEPT_AFTER_END_MS } from '@flash-sale/shared/sale/sale.ts';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { isToCleanUp, markCleaned, salesToCleanUp } from '@flash-sale/shared/sale/products-table.ts';
import { keepOutcomes } from '@flash-sale/shared/sale/sale-counters-table.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import { LEASE_WAIT_MS, withLoadedLease, type LeaseMetrics } from '@flash-sale/shared/sale/lease.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';
import { forEachSale } from './service.ts';

const INTERVAL_MS = 60_000;

export interface CleanUpDeps {
  readonly shard: number;
  readonly commands: Commands;
  readonly db: Db;
  readonly log: Logger;
  readonly metrics?: LeaseMetrics;
}

/**
 * Clean-up: deletes a sale's keys a day after its end, once nothing of it is open any more. No key of a sale expires by
 * itself, so that nothing a sale needs can vanish under it. From then on buys and polls are answered from the ledger.
 */
export function cleanUp(deps: CleanUpDeps): Rounds {
  const { shard, commands, db, log } = deps;
  return {
    name: 'clean_up',
    interval_ms: INTERVAL_MS,
    async round(stopping) {
      // By the clock that the sale ended by, which polls and buys go by as well.
      const { now_ms } = await commands.clock(shard);
      const before_ms = now_ms - KEPT_AFTER_END_MS;
      const sales = await salesToCleanUp(db, shard, before_ms);
      await forEachSale(sales, { stopping, log, service: 'clean_up' }, (sale) =>
        withLoadedLease(deps, sale, LEASE_WAIT_MS, async (lease) => {
          // Asked again: a reservation of then may be an unpaid order by now.
          if (!(await isToCleanUp(db, sale.id, before_ms))) return;
          await keepOutcomes(db, sale.id, await commands.outcomes(sale));
          if (!(await commands.cleanUp(sale, lease.text))) return;
          // Marked under the same lease: a rebuild that comes next sees it.
          await markCleaned(db, sale.id, lease.fencing_token);
          log.info({ sale: sale.id }, 'sale cleaned up');
        }),
      );
    },
  };
}
