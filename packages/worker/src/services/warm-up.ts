import { isDbOutage } from '@flash-sale/shared/platform/mysql/errors.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { LEASE_WAIT_MS } from '@flash-sale/shared/sale/lease.ts';
import { loadSale, needsLoading, type RebuildDeps } from '@flash-sale/shared/sale/rebuild.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import type { SalesToKeep } from './sale-list.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';

const INTERVAL_MS = 250;
/** Sales looked at, or rebuilt, at the same time. */
const AT_ONCE = 16;
/** Sales that need a look and get it in one round; the next one begins with the most urgent again. */
const DUE_MAX = 500;
/** The slow look-around: of all the other sales, one is looked at in every so many rounds. */
const LOOK_AROUND_ROUNDS = 2;

export interface WarmUpDeps extends RebuildDeps {
  readonly shard: number;
  /** Those of the shard. */
  readonly sales: SalesToKeep;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Warm-up: loads every sale that Redis does not have as the ledger has it: new ones before they open, all of them after Redis
 * was restarted, emptied or promoted, and one whose product has changed. A pause that Redis was not told of is told.
 *
 * A sale is looked at if its row is another than when it was last seen to be loaded, if Redis is another one or was emptied since, or if it is
 * stopped. All that is asked in one call, however many sales there are. Beside that a slow look-around comes to every sale in time.
 */
export function warmUp(deps: WarmUpDeps): Rounds {
  const { commands, sales, shard, log, metrics } = deps;
  /** The rows as which sales were seen to be loaded in this history of Redis. */
  const seen = new Map<number, string>();
  let history = '';
  let rounds = 0;
  let lastAround = 0;

  async function load(sale: Sale): Promise<Sale | undefined> {
    const rebuilt = await loadSale(deps, sale, LEASE_WAIT_MS);
    if (rebuilt === undefined) return undefined;
    metrics.rebuilds.inc();
    log.info({ sale: sale.id, owners: rebuilt.owners, available: rebuilt.available }, 'sale rebuilt');
    return rebuilt.sale;
  }

  /** Brings a sale up to date with its row. Returns the row that Redis then has, if it is known. */
  async function look(sale: Sale): Promise<Sale | undefined> {
    const live = await commands.readSale(sale);
    // One that an older version left, or whose keys were changed by hand.
    if (live.backlog > 0) await commands.noteOldest(sale);
    if (needsLoading(live, sale)) return load(sale);
    // Committed by an api process that died before it could tell Redis.
    if (live.pause_version < sale.pause_version) await commands.setPause(sale, sale.pause_version, sale.paused);
    return sale;
  }

  /** The sales to look at now, the most urgent first. */
  function choose(current: readonly Sale[]): Sale[] {
    const due = current.filter((sale) => seen.get(sale.id) !== rowOf(sale)).slice(0, DUE_MAX);
    rounds += 1;
    if (due.length === 0 && rounds % LOOK_AROUND_ROUNDS === 0 && current.length > 0) {
      lastAround = (lastAround + 1) % current.length;
      due.push(current[lastAround]!);
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
    interval_ms: INTERVAL_MS,
    async round(stopping) {
      const now = await commands.lookAtShard(shard);
      if (now.history !== history) seen.clear();
      history = now.history;
      for (const id of now.stopped) seen.delete(id);
      const current = await sales.current();
      forgetOthers(current);
      const waiting = choose(current);
      let outage: unknown;
      const next = async (): Promise<void> => {
        for (let sale = waiting.shift(); sale !== undefined && !stopping.aborted; sale = waiting.shift()) {
          try {
            const loaded = await look(sale);
            if (loaded !== undefined) seen.set(loaded.id, rowOf(loaded));
          } catch (error) {
            seen.delete(sale.id);
            if (isDbOutage(error)) outage = error;
            log.warn({ err: error, sale: sale.id }, 'could not load the sale; retrying in the next round');
          }
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, next));
      // It may be this process alone that does not reach MySQL: a round that fails gives up the lead.
      if (outage !== undefined) throw outage;
    },
  };
}

const rowOf = ({ version, pause_version }: Sale): string => `${version} ${pause_version}`;
