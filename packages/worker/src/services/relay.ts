import type { Queue } from 'bullmq';
import type { SaleRef } from '@flash-sale/shared/domain/sale.ts';
import { WRITE_ORDERS, writeOrdersOptions, type WriteOrdersJob } from '@flash-sale/shared/queue/orders-queue.ts';
import type { Commands } from '@flash-sale/shared/redis/commands.ts';
import type { Logger } from '@flash-sale/shared/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/telemetry/metrics.ts';
import type { SalesToKeep } from './sale-list.ts';
import type { Rounds } from '@flash-sale/shared/process/service.ts';

const INTERVAL_MS = 1_000;
/** A reservation that is older than this may have lost its job. */
const STALE_MS = 2_000;
const ORDERS_MAX = 500;

export interface RelayDeps {
  readonly commands: Commands;
  readonly sales: SalesToKeep;
  /** The queue of a shard. */
  readonly queue: (shard: number) => Queue<WriteOrdersJob>;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Relay: offers the jobs of reservations that have waited too long to the queue again, under their own ids. One that is still there is
 * left alone by BullMQ; one that was never added (the api was killed) or was lost is made again. The oldest are
 * enough: whoever writes one order of a sale writes them all.
 */
export function relay({ commands, sales, queue, log, metrics }: RelayDeps): Rounds {
  async function relaySale(sale: SaleRef, now_ms: number): Promise<void> {
    const orderNos = await commands.reservedBefore(sale, now_ms - STALE_MS, ORDERS_MAX);
    if (orderNos.length === 0) return;
    const jobs = new Map<string, string[]>();
    for (const reservation of await commands.reservations(sale, orderNos)) {
      if (reservation === undefined) continue;
      const job = jobs.get(reservation.job_id);
      if (job === undefined) jobs.set(reservation.job_id, [reservation.order_no]);
      else job.push(reservation.order_no);
    }
    await queue(sale.shard).addBulk(
      [...jobs].map(([jobId, order_nos]) => ({
        name: WRITE_ORDERS,
        data: { shard: sale.shard, sale_id: sale.id, order_nos },
        opts: writeOrdersOptions(jobId),
      })),
    );
    metrics.jobs_relayed.inc(jobs.size);
    log.info({ sale: sale.id, jobs: [...jobs.keys()], oldest: orderNos[0] }, 'jobs relayed');
  }

  return {
    name: 'relay',
    interval_ms: INTERVAL_MS,
    async round() {
      const known = await sales.current();
      const now = new Map<number, number>();
      for (const shard of new Set(known.map((sale) => sale.shard)))
        now.set(shard, (await commands.clock(shard)).now_ms);
      const relayed = await Promise.allSettled(known.map((sale) => relaySale(sale, now.get(sale.shard)!)));
      const failed = relayed.filter((outcome) => outcome.status === 'rejected');
      for (const { reason } of failed) log.warn({ err: reason as unknown }, 'sale not relayed in this round');
      // So that another process has a try: what keeps this one from relaying may be its own.
      if (failed.length > 0) throw new Error(`${failed.length} sales were not relayed`);
    },
  };
}
