import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { LEASE_WAIT_MS } from '@flash-sale/shared/sale/lease.ts';
import { loadSale, needsLoading, type RebuildDeps } from '@flash-sale/shared/reconciliation/rebuild.ts';
import { isPassingFault, redisFault } from '@flash-sale/shared/platform/redis/errors.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { Failures } from './outage.ts';
import type { SalesToKeep } from '@flash-sale/shared/sale/sale-list.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';

const INTERVAL_MS = 250;
/** Maximum number of sales that are checked or rebuilt in parallel. */
const AT_ONCE = 16;
/**
 * Maximum number of sales checked in one round. The next round begins with the most urgent sale
 * again.
 */
const DUE_MAX = 500;
/**
 * How long a sale is left alone after a fault that only an operator can fix, such as a key that was
 * overwritten.
 */
const FAULT_PAUSE_MS = 5_000;
/** The slow check: in one of this many rounds, one of the other sales is checked. */
const OTHERS_EVERY_ROUNDS = 2;

export interface WarmUpDeps extends RebuildDeps {
  readonly shard: number;
  /** The sales of the shard. */
  readonly sales: SalesToKeep;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Warm-up: loads every sale that differs between Redis and the ledger: new ones before they open,
 * all after Redis was restarted, emptied or promoted, and any whose product has changed. It also
 * sets a pause that is missing in Redis.
 *
 * A sale is checked if its row has changed since it was last seen loaded, if Redis is another
 * server or was emptied since, or if it is stopped. One call asks all this for any number of sales.
 * In addition, a slow check visits every sale in turn.
 */
export function warmUp(deps: WarmUpDeps): Rounds {
  const { commands, sales, shard, log, metrics } = deps;
  /** Sale → its row when it was last seen loaded in this history of Redis. */
  const seen = new Map<number, string>();
  /** Sale with a fault → when it is tried again, ms. */
  const againAtMs = new Map<number, number>();
  let history = '';
  let rounds = 0;
  let lastOther = 0;

  async function load(sale: Sale): Promise<Sale | undefined> {
    const rebuilt = await loadSale(deps, sale, LEASE_WAIT_MS);
    if (rebuilt === undefined) return undefined;
    metrics.rebuilds.inc();
    log.info({ sale: sale.id, held: rebuilt.held, available: rebuilt.available }, 'sale rebuilt');
    return rebuilt.sale;
  }

  /** Updates a sale in Redis from its row. Returns the row that Redis then has, if it is known. */
  async function bringUpToDate(sale: Sale): Promise<Sale | undefined> {
    const live = await commands.readSale(sale);
    // For a sale from an older version, or with keys that were changed by hand.
    if (live.backlog > 0) await commands.noteOldest(sale);
    if (needsLoading(live, sale)) return load(sale);
    // The api process committed the pause and crashed before it could set it in Redis.
    if (live.pauseVersion < sale.pauseVersion) await commands.setPause(sale, sale.pauseVersion, sale.paused);
    return sale;
  }

  /** The sales to check now, the most urgent first. */
  function choose(current: readonly Sale[]): Sale[] {
    const nowMs = performance.now();
    for (const [id, atMs] of againAtMs) if (atMs <= nowMs) againAtMs.delete(id);
    const due = current
      .filter((sale) => seen.get(sale.id) !== rowOf(sale) && !againAtMs.has(sale.id))
      .slice(0, DUE_MAX);
    rounds += 1;
    if (due.length === 0 && rounds % OTHERS_EVERY_ROUNDS === 0 && current.length > 0) {
      lastOther = (lastOther + 1) % current.length;
      due.push(current[lastOther]!);
    }
    return due;
  }

  function forgetOthers(current: readonly Sale[]): void {
    if (seen.size <= current.length) return;
    const ids = new Set(current.map(({ id }) => id));
    for (const id of seen.keys()) if (!ids.has(id)) seen.delete(id);
  }

  return {
    name: 'warm_up',
    intervalMs: INTERVAL_MS,
    async round(stopping) {
      const now = await commands.lookAtShard(shard);
      if (now.history !== history) seen.clear();
      history = now.history;
      for (const id of now.stopped) seen.delete(id);
      const current = await sales.current();
      forgetOthers(current);
      const waiting = choose(current);
      const failures = new Failures();
      const next = async (): Promise<void> => {
        for (let sale = waiting.shift(); sale !== undefined && !stopping.aborted; sale = waiting.shift()) {
          try {
            const loaded = await bringUpToDate(sale);
            if (loaded !== undefined) seen.set(loaded.id, rowOf(loaded));
          } catch (error) {
            seen.delete(sale.id);
            failures.note(error);
            const fault = redisFault(error);
            if (fault !== undefined && !isPassingFault(fault))
              againAtMs.set(sale.id, performance.now() + FAULT_PAUSE_MS);
            log.warn({ err: error, sale: sale.id }, 'could not load the sale; retrying in the next round');
          }
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, next));
      failures.endRound();
    },
  };
}

const rowOf = ({ version, pauseVersion }: Sale): string => `${version} ${pauseVersion}`;
