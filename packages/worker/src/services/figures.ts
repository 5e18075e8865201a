import type { Queue } from 'bullmq';
import type { Sale } from '@flash-sale/shared/domain/sale.ts';
import type { Db } from '@flash-sale/shared/db/client.ts';
import { readSold } from '@flash-sale/shared/db/products.ts';
import type { WriteOrdersJob } from '@flash-sale/shared/queue/orders-queue.ts';
import type { RedisClient } from '@flash-sale/shared/redis/client.ts';
import type { Commands, SaleFigures } from '@flash-sale/shared/redis/commands.ts';
import { readServerInfo } from '@flash-sale/shared/redis/server-info.ts';
import type { Logger } from '@flash-sale/shared/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/telemetry/metrics.ts';
import type { SaleList } from './sale-list.ts';
import type { Rounds } from './service.ts';

const INTERVAL_MS = 2_000;
/** A sale is live from so long before its start to so long after its end, and while an order of it waits. */
const LIVE_AROUND_MS = 600_000;
const JOB_STATES = ['waiting', 'active', 'delayed', 'failed'] as const;

export interface FiguresDeps {
  readonly redis: RedisClient;
  readonly commands: Commands;
  readonly db: Db;
  readonly sales: SaleList;
  /** The queue of a shard. */
  readonly queue: (shard: number) => Queue<WriteOrdersJob>;
  /** How many sales may have figures of their own. */
  readonly sales_shown_max: number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

interface Found {
  readonly sale: Sale;
  readonly figures: SaleFigures;
}

/**
 * Figures: reads what Redis and MySQL know of sales, shards and themselves, for the metrics. One worker does so, and a scrape reads nothing, so
 * that neither replicas nor scrapes multiply the load. Everything is read before anything is shown.
 */
export function figures(deps: FiguresDeps): Rounds {
  const { redis, commands, db, sales, queue, log, metrics } = deps;

  async function soldOf(found: readonly Found[]): Promise<Map<number, number>> {
    try {
      return await readSold(
        db,
        found.map(({ sale }) => sale.id),
      );
    } catch (error) {
      log.warn({ err: error }, 'figures without what the ledger has sold');
      return new Map();
    }
  }

  /** Shows nothing any more: another worker does, or nothing is known. */
  function clear(): void {
    for (const gauge of gaugesOf(metrics)) gauge.reset();
    // prom-client resets a gauge without labels to 0, which would be a figure.
    metrics.sales_live.remove();
  }

  return {
    name: 'figures',
    interval_ms: INTERVAL_MS,
    async round() {
      const kept = await sales.current();
      const found = await Promise.all(kept.map(async (sale) => ({ sale, figures: await commands.readFigures(sale) })));
      const live = found.filter(isLive);
      // Where they are too many, those that open last.
      const shown = live.slice(-deps.sales_shown_max);
      const shards = Map.groupBy(found, ({ sale }) => sale.shard);
      const [sold, jobs, servers] = await Promise.all([
        soldOf(shown),
        Promise.all(
          [...shards.keys()].map(async (shard) => [shard, await queue(shard).getJobCounts(...JOB_STATES)] as const),
        ),
        readServerInfo(redis),
      ]);

      clear();
      metrics.sales_live.set(live.length);
      for (const one of shown) showSale(metrics, one, sold.get(one.sale.id));
      for (const [shard, own] of shards) showShard(metrics, shard, own);
      for (const [shard, counts] of jobs) {
        for (const state of JOB_STATES) metrics.shard_jobs.set({ shard, state }, counts[state] ?? 0);
      }
      for (const { address, used_memory_bytes, maxmemory_bytes } of servers) {
        metrics.redis_memory_used_bytes.set({ server: address }, used_memory_bytes);
        metrics.redis_memory_max_bytes.set({ server: address }, maxmemory_bytes);
      }
    },
    rest: clear,
  };
}

function isLive({ sale, figures: { now_ms, reservations } }: Found): boolean {
  return reservations > 0 || (now_ms > sale.start_ms - LIVE_AROUND_MS && now_ms < sale.end_ms + LIVE_AROUND_MS);
}

const gaugesOf = (metrics: Metrics) => [
  metrics.sale_units,
  metrics.sale_available,
  metrics.sale_owners,
  metrics.sale_reservations,
  metrics.sale_oldest_reservation_seconds,
  metrics.sale_sold,
  metrics.sale_open,
  metrics.sale_ready,
  metrics.shard_reservations,
  metrics.shard_oldest_reservation_seconds,
  metrics.shard_jobs,
  metrics.redis_memory_used_bytes,
  metrics.redis_memory_max_bytes,
];

function showSale(metrics: Metrics, { sale, figures: found }: Found, sold: number | undefined): void {
  const of = { sale: sale.id };
  metrics.sale_units.set(of, sale.seckill_stock);
  metrics.sale_reservations.set(of, found.reservations);
  metrics.sale_oldest_reservation_seconds.set(of, found.oldest_reservation_ms / 1_000);
  metrics.sale_open.set(of, found.now_ms >= sale.start_ms && found.now_ms < sale.end_ms ? 1 : 0);
  metrics.sale_ready.set(of, found.ready ? 1 : 0);
  if (found.ready) {
    metrics.sale_available.set(of, found.available);
    metrics.sale_owners.set(of, found.owners);
  }
  if (sold !== undefined) metrics.sale_sold.set(of, sold);
}

function showShard(metrics: Metrics, shard: number, own: readonly Found[]): void {
  const reservations = own.reduce((sum, { figures: found }) => sum + found.reservations, 0);
  const oldest_ms = Math.max(...own.map(({ figures: found }) => found.oldest_reservation_ms));
  metrics.shard_reservations.set({ shard }, reservations);
  metrics.shard_oldest_reservation_seconds.set({ shard }, oldest_ms / 1_000);
}
