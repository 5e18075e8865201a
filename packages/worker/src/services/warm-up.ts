import type { Sale } from '@flash-sale/shared/domain/sale.ts';
import { LEASE_WAIT_MS } from '@flash-sale/shared/sale/lease.ts';
import { loadSale, needsLoading, type RebuildDeps } from '@flash-sale/shared/sale/rebuild.ts';
import type { Logger } from '@flash-sale/shared/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/telemetry/metrics.ts';
import type { SalesToKeep } from './sale-list.ts';
import type { Rounds } from '@flash-sale/shared/process/service.ts';

const INTERVAL_MS = 250;
/** Sales looked at, or rebuilt, at the same time. */
const AT_ONCE = 16;

export interface WarmUpDeps extends RebuildDeps {
  readonly sales: SalesToKeep;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Warm-up: loads every sale that Redis does not have as the ledger has it: new ones before they open, all of them after Redis
 * was restarted, emptied or promoted, and one whose product has changed. A pause that Redis was not told of is told.
 */
export function warmUp(deps: WarmUpDeps): Rounds {
  const { commands, sales, log, metrics } = deps;

  async function load(sale: Sale): Promise<void> {
    const rebuilt = await loadSale(deps, sale, LEASE_WAIT_MS);
    if (rebuilt === undefined) return;
    metrics.rebuilds.inc();
    log.info({ sale: sale.id, owners: rebuilt.owners, available: rebuilt.available }, 'sale rebuilt');
  }

  /** Brings a sale that Redis has up to date with its row, and tells whether it has to be loaded. */
  async function look(sale: Sale): Promise<boolean> {
    const live = await commands.readSale(sale);
    if (needsLoading(live, sale)) return true;
    // Committed by an api process that died before it could tell Redis.
    if (live.pause_version < sale.pause_version) await commands.setPause(sale, sale.pause_version, sale.paused);
    return false;
  }

  return {
    name: 'warm_up',
    interval_ms: INTERVAL_MS,
    async round(stopping) {
      const waiting = [...(await sales.current())];
      const next = async (): Promise<void> => {
        for (let sale = waiting.shift(); sale !== undefined && !stopping.aborted; sale = waiting.shift()) {
          try {
            if (await look(sale)) await load(sale);
          } catch (error) {
            log.warn({ err: error, sale: sale.id }, 'sale not loaded; the next round starts over');
          }
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, next));
    },
  };
}
