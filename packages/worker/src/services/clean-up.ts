import { KEPT_AFTER_END_MS } from '@flash-sale/shared/sale/sale.ts';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { cleanedSales, isToCleanUp, markCleaned, salesToCleanUp } from '@flash-sale/shared/sale/clean-up-table.ts';
import { whichExist } from '@flash-sale/shared/sale/products-table.ts';
import { keepOutcomes } from '@flash-sale/shared/sale/sale-counters-table.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import { cleanAgain, LEASE_WAIT_MS, withLoadedLease, type LeaseMetrics } from '@flash-sale/shared/sale/lease.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';
import { forEachSale } from './service.ts';

const INTERVAL_MS = 60_000;
/** Cleaned sales that are looked up together. */
const CLEANED_AT_ONCE = 500;

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
 *
 * A Redis that comes back with old data may bring back cleaned sales. Clean-up looks for all of
 * them once per history of Redis, and in every round for those with reservations, which the relay
 * would otherwise offer to the writers for ever. It also deletes the keys of a sale whose deletion
 * ended after its commit: such a sale is stopped and not in the ledger.
 */
export function cleanUp(deps: CleanUpDeps): Rounds {
  const { shard, commands, db, log } = deps;
  /** The history of Redis in which no cleaned sale was left. */
  let lookedThrough = '';

  async function comeBack(stopping: AbortSignal): Promise<void> {
    const { history, stopped } = await commands.lookAtShard(shard);
    const clean = async (ids: readonly number[]): Promise<void> => {
      const kept = (await commands.whichAreKept(shard, ids)).map((id) => ({ id, shard }));
      await forEachSale(kept, { stopping, log, service: 'clean_up' }, async (sale) => {
        await cleanAgain(deps, sale, LEASE_WAIT_MS);
        log.warn({ sale: sale.id }, 'a cleaned or deleted sale was still in Redis and was cleaned again');
      });
    };
    const existing = new Set(await whichExist(db, stopped));
    await clean(stopped.filter((id) => !existing.has(id)));
    if (history === lookedThrough) {
      const among = (await commands.outbox(shard)).map(({ saleId }) => saleId);
      await clean(await cleanedSales(db, shard, { among, limit: CLEANED_AT_ONCE }));
      return;
    }
    let ids: number[];
    let afterId = 0;
    do {
      ids = await cleanedSales(db, shard, { afterId, limit: CLEANED_AT_ONCE });
      await clean(ids);
      afterId = ids.at(-1) ?? afterId;
    } while (ids.length === CLEANED_AT_ONCE && !stopping.aborted);
    if (!stopping.aborted) lookedThrough = history;
  }

  return {
    name: 'clean_up',
    intervalMs: INTERVAL_MS,
    async round(stopping) {
      // By the clock that ended the sale. Polls and buys use it too.
      const { nowMs } = await commands.clock(shard);
      const beforeMs = nowMs - KEPT_AFTER_END_MS;
      const sales = await salesToCleanUp(db, shard, beforeMs);
      await forEachSale(sales, { stopping, log, service: 'clean_up' }, (sale) =>
        withLoadedLease(deps, sale, LEASE_WAIT_MS, async (lease) => {
          // Check again: a reservation may have become an unpaid order meanwhile.
          if (!(await isToCleanUp(db, sale.id, beforeMs))) return;
          await keepOutcomes(db, sale.id, await commands.outcomes(sale));
          if (!(await commands.cleanUp(sale, lease.text))) return;
          // Mark it under the same lease, so that a later rebuild sees the mark.
          await markCleaned(db, sale.id, lease.fencingToken);
          log.info({ sale: sale.id }, 'sale cleaned up');
        }),
      );
      await comeBack(stopping);
    },
  };
}
