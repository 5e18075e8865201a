import type { Queue } from 'bullmq';
import { RESERVATION_AHEAD_MS } from '@flash-sale/shared/admission/reservation.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { readSold } from '@flash-sale/shared/sale/products-table.ts';
import type { WriteOrdersJob } from '@flash-sale/shared/admission/order-jobs.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import type { SaleFigures } from '@flash-sale/shared/sale/sale-commands.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import { SALES_SHOWN_MAX, type Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import type { SalesToKeep } from './sale-list.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';

const INTERVAL_MS = 2_000;
/**
 * A sale is live from this time before its start until this time after its end, and while it has
 * reservations.
 */
const LIVE_AROUND_MS = 600_000;
const JOB_STATES = ['waiting', 'active', 'delayed', 'failed'] as const;

export interface SaleMetricsDeps {
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
  readonly figures: SaleFigures;
}

/**
 * Sale metrics: reads the counts of a shard and its sales from Redis and MySQL, for the metrics. One
 * worker does this at intervals, and a scrape reads nothing, so that more replicas or scrapes add
 * no load. Everything is read before anything is shown.
 */
export function saleMetrics(deps: SaleMetricsDeps): Rounds {
  const { commands, db, shard, sales, queue, log, metrics, salesShownMax = SALES_SHOWN_MAX } = deps;
  /** Sales whose metrics are shown. */
  let shown: readonly Found[] = [];
  /** When each sale was first seen whose oldest reservation is in the future. */
  let aheadSinceMs = new Map<number, number>();

  /**
   * The age of the shard's oldest reservation. One from the future (Redis's clock was set back) has no
   * age: it counts from when it was first seen.
   */
  async function oldestMs(nowMs: number, oldest: number | undefined): Promise<number> {
    const seenMs = performance.now();
    const ahead = await commands.outboxAfter(shard, nowMs + RESERVATION_AHEAD_MS);
    aheadSinceMs = new Map(ahead.map((id) => [id, aheadSinceMs.get(id) ?? seenMs]));
    return Math.max(nowMs - (oldest ?? nowMs), ...[...aheadSinceMs.values()].map((sinceMs) => seenMs - sinceMs), 0);
  }

  /** The number of live orders in the ledger, by sale; undefined if MySQL does not answer. */
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
    for (const state of JOB_STATES) metrics.shard_jobs.remove({ shard, state });
    shown = [];
  }

  return {
    name: 'figures',
    interval_ms: INTERVAL_MS,
    async round() {
      const [kept, { now_ms }, outbox] = await Promise.all([
        sales.current(),
        commands.clock(shard),
        commands.outbox(shard),
      ]);
      const waiting = new Set(outbox.map(({ sale_id }) => sale_id));
      const liveSales = kept
        .filter((sale) => waiting.has(sale.id) || isAround(sale, now_ms))
        .toSorted((a, b) => a.start_ms - b.start_ms || a.id - b.id);
      const live = await Promise.all(
        liveSales.map(async (sale) => ({ sale, figures: await commands.readFigures(sale) })),
      );
      // If there are too many, take those that open last; of those with the same start, the newest.
      const chosen = live.slice(-salesShownMax);
      const [sold, jobs, memory, oldest_ms] = await Promise.all([
        soldIfKnown(live),
        queue(shard).getJobCounts(...JOB_STATES),
        commands.readMemory(shard),
        oldestMs(now_ms, outbox[0]?.oldest_ms),
      ]);

      clear();
      shown = chosen;
      for (const one of shown) showSale(metrics, one, sold?.get(one.sale.id));
      showShard(metrics, shard, live, { shown: shown.length, sold });
      metrics.shard_oldest_reservation_seconds.set({ shard }, oldest_ms / 1_000);
      metrics.shard_redis_used_bytes.set({ shard }, memory.used_memory_bytes);
      metrics.shard_redis_max_bytes.set({ shard }, memory.maxmemory_bytes);
      for (const state of JOB_STATES) metrics.shard_jobs.set({ shard, state }, jobs[state] ?? 0);
    },
    rest: clear,
  };
}

function isAround({ start_ms, end_ms }: Sale, now_ms: number): boolean {
  return now_ms > start_ms - LIVE_AROUND_MS && now_ms < end_ms + LIVE_AROUND_MS;
}

const isOpen = ({ sale, figures: { now_ms } }: Found): boolean => now_ms >= sale.start_ms && now_ms < sale.end_ms;

const saleGauges = (metrics: Metrics) => [
  metrics.sale_units,
  metrics.sale_available,
  metrics.sale_owners,
  metrics.sale_reservations,
  metrics.sale_oldest_reservation_seconds,
  metrics.sale_sold,
  metrics.sale_open,
  metrics.sale_ready,
];

const shardGauges = (metrics: Metrics) => [
  metrics.shard_live_sales,
  metrics.shard_shown_sales,
  metrics.shard_unready_sales,
  metrics.shard_units,
  metrics.shard_available,
  metrics.shard_owners,
  metrics.shard_sold,
  metrics.shard_reservations,
  metrics.shard_oldest_reservation_seconds,
  metrics.shard_redis_used_bytes,
  metrics.shard_redis_max_bytes,
];

function showSale(metrics: Metrics, { sale, figures: found }: Found, sold: number | undefined): void {
  const of = { sale: sale.id };
  metrics.sale_units.set(of, sale.seckill_stock);
  metrics.sale_reservations.set(of, found.reservations);
  metrics.sale_oldest_reservation_seconds.set(of, found.oldest_reservation_ms / 1_000);
  metrics.sale_open.set(of, isOpen({ sale, figures: found }) ? 1 : 0);
  metrics.sale_ready.set(of, found.ready ? 1 : 0);
  if (found.ready) {
    metrics.sale_available.set(of, found.available);
    metrics.sale_owners.set(of, found.owners);
  }
  if (sold !== undefined) metrics.sale_sold.set(of, sold);
}

/** The sums over all live sales, including those that are not shown. */
function showShard(
  metrics: Metrics,
  shard: number,
  live: readonly Found[],
  { shown, sold }: { readonly shown: number; readonly sold: ReadonlyMap<number, number> | undefined },
): void {
  const ready = live.filter(({ figures: { ready: isReady } }) => isReady);
  const sum = (from: readonly Found[], valueOf: (one: Found) => number): number =>
    from.reduce((total, one) => total + valueOf(one), 0);
  metrics.shard_live_sales.set({ shard }, live.length);
  metrics.shard_shown_sales.set({ shard }, shown);
  metrics.shard_unready_sales.set({ shard }, live.filter((one) => isOpen(one) && !one.figures.ready).length);
  metrics.shard_units.set(
    { shard },
    sum(live, ({ sale }) => sale.seckill_stock),
  );
  metrics.shard_available.set(
    { shard },
    sum(ready, ({ figures: { available } }) => available),
  );
  metrics.shard_owners.set(
    { shard },
    sum(ready, ({ figures: { owners } }) => owners),
  );
  metrics.shard_reservations.set(
    { shard },
    sum(live, ({ figures: { reservations } }) => reservations),
  );
  if (sold !== undefined)
    metrics.shard_sold.set(
      { shard },
      sum(live, ({ sale }) => sold.get(sale.id) ?? 0),
    );
}
