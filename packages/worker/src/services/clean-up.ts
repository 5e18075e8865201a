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
 * Clean-up: deletes a sale's keys a day after its end, when nothing of it is open. No key of a sale
 * has a TTL, so that nothing that a sale needs can expire too early. After that the ledger alone
 * answers buys and polls.
 */
export function cleanUp(deps: CleanUpDeps): Rounds {
  const { shard, commands, db, log } = deps;
  return {
    name: 'clean_up',
    interval_ms: INTERVAL_MS,
    async round(stopping) {
      // By the clock that ended the sale. Polls and buys use it too.
      const { now_ms } = await commands.clock(shard);
      const before_ms = now_ms - KEPT_AFTER_END_MS;
      const sales = await salesToCleanUp(db, shard, before_ms);
      await forEachSale(sales, { stopping, log, service: 'clean_up' }, (sale) =>
        withLoadedLease(deps, sale, LEASE_WAIT_MS, async (lease) => {
          // Check again: a reservation may have become an unpaid order meanwhile.
          if (!(await isToCleanUp(db, sale.id, before_ms))) return;
          await keepOutcomes(db, sale.id, await commands.outcomes(sale));
          if (!(await commands.cleanUp(sale, lease.text))) return;
          // Mark it under the same lease, so that a later rebuild sees the mark.
          await markCleaned(db, sale.id, lease.fencing_token);
          log.info({ sale: sale.id }, 'sale cleaned up');
        }),
      );
    },
  };
}
