import type { Queue } from 'bullmq';
import { RESERVATION_AHEAD_MS } from '@flash-sale/shared/admission/reservation.ts';
import { isAround, type Sale } from '@flash-sale/shared/sale/sale.ts';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { readSold } from '@flash-sale/shared/sale/products-table.ts';
import type { WriteOrdersJob } from '@flash-sale/shared/admission/order-jobs.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import { countsOf, type SaleCounts } from '@flash-sale/shared/sale/sale-figures.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { SALES_SHOWN_MAX } from '@flash-sale/shared/platform/telemetry/sale-metrics.ts';
import type { SalesToKeep } from '@flash-sale/shared/sale/sale-list.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';

const INTERVAL_MS = 2_000;
const JOB_STATES = ['waiting', 'active', 'delayed', 'failed'] as const;

export interface FiguresDeps {
  readonly commands: Commands;
  readonly db: Db;
  readonly shard: number;
  /** The sales of the shard. */
  readonly sales: SalesToKeep;
  /** The queue of a shard. */
  readonly queue: (shard: number) => Queue<WriteOrdersJob>;
  /** Maximum number of sales with metrics of their own. Tests set it lower. */
  readonly salesShownMax?: number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

interface Found {
  readonly sale: Sale;
  readonly counts: SaleCounts;
  /** By the clock of Redis. */
  readonly nowMs: number;
}

/**
 * Sale metrics: reads the counts of a shard and its sales from Redis and MySQL, for the metrics.
 * One worker does this at intervals, and a scrape reads nothing, so that more replicas or scrapes
 * add no load. Everything is read before anything is shown.
 */
export function figures(deps: FiguresDeps): Rounds {
  const { commands, db, shard, sales, queue, log, metrics, salesShownMax = SALES_SHOWN_MAX } = deps;
  /** Sales whose metrics are shown. */
  let shown: readonly Found[] = [];
  /** When each sale was first seen whose oldest reservation is in the future. */
  let aheadSinceMs = new Map<number, number>();

  /**
   * The ages of the oldest reservations from the future (Redis's clock was set back), by sale. They
   * have no age by that clock, so they count from when they were first seen.
   */
  async function agesOfAheadMs(nowMs: number): Promise<ReadonlyMap<number, number>> {
    const seenMs = performance.now();
    const ahead = await commands.outboxAfter(shard, nowMs + RESERVATION_AHEAD_MS);
    aheadSinceMs = new Map(ahead.map((id) => [id, aheadSinceMs.get(id) ?? seenMs]));
    return new Map([...aheadSinceMs].map(([id, sinceMs]) => [id, seenMs - sinceMs]));
  }

  /** The units of live orders in the ledger, by sale; undefined if MySQL does not answer. */
  async function soldIfKnown(found: readonly Found[]): Promise<Map<number, number> | undefined> {
    try {
      return await readSold(
        db,
        found.map(({ sale }) => sale.id),
      );
    } catch (error) {
      log.warn({ err: error }, 'could not read sold units from the ledger; publishing the other figures');
      return undefined;
    }
  }

  /** Removes all metrics: another worker shows them, or nothing is known. */
  function clear(): void {
    for (const { sale } of shown) for (const gauge of saleGauges(metrics)) gauge.remove({ sale: sale.id });
    for (const gauge of shardGauges(metrics)) gauge.remove({ shard });
    for (const state of JOB_STATES) metrics.shardJobs.remove({ shard, state });
    shown = [];
  }

  return {
    name: 'figures',
    intervalMs: INTERVAL_MS,
    async round() {
      const [kept, { nowMs }, outbox] = await Promise.all([
        sales.current(),
        commands.clock(shard),
        commands.outbox(shard),
      ]);
      const waiting = new Set(outbox.map(({ saleId }) => saleId));
      const liveSales = kept
        .filter((sale) => waiting.has(sale.id) || isAround(sale, nowMs))
        .toSorted((a, b) => a.startMs - b.startMs || a.id - b.id);
      const read = await commands.readFigures(liveSales);
      const live = liveSales.map((sale, i) => ({ sale, nowMs: read[i]!.nowMs, counts: countsOf(read[i]!) }));
      // If there are too many, take those that open last; of those with the same start, the newest.
      const chosen = live.slice(-salesShownMax);
      const [sold, jobs, memory, aheadMs] = await Promise.all([
        soldIfKnown(live),
        queue(shard).getJobCounts(...JOB_STATES),
        commands.readMemory(shard),
        agesOfAheadMs(nowMs),
      ]);

      clear();
      shown = chosen;
      for (const one of shown) showSale(metrics, one, sold?.get(one.sale.id), aheadMs.get(one.sale.id));
      showShard(metrics, shard, live, { shown: shown.length, sold });
      const oldestMs = Math.max(nowMs - (outbox[0]?.oldestMs ?? nowMs), ...aheadMs.values(), 0);
      metrics.shardOldestReservationSeconds.set({ shard }, oldestMs / 1_000);
      metrics.shardRedisUsedBytes.set({ shard }, memory.usedMemoryBytes);
      metrics.shardRedisMaxBytes.set({ shard }, memory.maxmemoryBytes);
      for (const state of JOB_STATES) metrics.shardJobs.set({ shard, state }, jobs[state] ?? 0);
    },
    rest: clear,
  };
}

const isOpen = ({ sale, nowMs }: Found): boolean => nowMs >= sale.startMs && nowMs < sale.endMs;

const saleGauges = (metrics: Metrics) => [
  metrics.saleUnits,
  metrics.saleAvailable,
  metrics.saleHeld,
  metrics.saleReservations,
  metrics.saleOldestReservationSeconds,
  metrics.saleSold,
  metrics.saleOpen,
  metrics.saleReady,
];

const shardGauges = (metrics: Metrics) => [
  metrics.shardLiveSales,
  metrics.shardShownSales,
  metrics.shardUnreadySales,
  metrics.shardUnits,
  metrics.shardAvailable,
  metrics.shardHeld,
  metrics.shardSold,
  metrics.shardReservations,
  metrics.shardOldestReservationSeconds,
  metrics.shardRedisUsedBytes,
  metrics.shardRedisMaxBytes,
];

function showSale(metrics: Metrics, found: Found, sold: number | undefined, aheadMs: number | undefined): void {
  const { sale, counts } = found;
  const of = { sale: sale.id };
  metrics.saleUnits.set(of, sale.seckillStock);
  metrics.saleReservations.set(of, counts.reservations);
  metrics.saleOldestReservationSeconds.set(of, Math.max(counts.oldestReservationMs, aheadMs ?? 0) / 1_000);
  metrics.saleOpen.set(of, isOpen(found) ? 1 : 0);
  metrics.saleReady.set(of, counts.ready ? 1 : 0);
  if (counts.ready) {
    metrics.saleAvailable.set(of, counts.available);
    metrics.saleHeld.set(of, counts.held);
  }
  if (sold !== undefined) metrics.saleSold.set(of, sold);
}

/** The sums over all live sales, including those that are not shown. */
function showShard(
  metrics: Metrics,
  shard: number,
  live: readonly Found[],
  { shown, sold }: { readonly shown: number; readonly sold: ReadonlyMap<number, number> | undefined },
): void {
  const ready = live.filter(({ counts: { ready: isReady } }) => isReady);
  const sum = (from: readonly Found[], valueOf: (one: Found) => number): number =>
    from.reduce((total, one) => total + valueOf(one), 0);
  metrics.shardLiveSales.set({ shard }, live.length);
  metrics.shardShownSales.set({ shard }, shown);
  metrics.shardUnreadySales.set({ shard }, live.filter((one) => isOpen(one) && !one.counts.ready).length);
  metrics.shardUnits.set(
    { shard },
    sum(live, ({ sale }) => sale.seckillStock),
  );
  metrics.shardAvailable.set(
    { shard },
    sum(ready, ({ counts: { available } }) => available),
  );
  metrics.shardHeld.set(
    { shard },
    sum(ready, ({ counts: { held } }) => held),
  );
  metrics.shardReservations.set(
    { shard },
    sum(live, ({ counts: { reservations } }) => reservations),
  );
  if (sold !== undefined)
    metrics.shardSold.set(
      { shard },
      sum(live, ({ sale }) => sold.get(sale.id) ?? 0),
    );
}
