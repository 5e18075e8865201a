import type { Queue } from 'bullmq';
import { RESERVATION_AHEAD_MS } from '@flash-sale/shared/admission/reservation.ts';
import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';
import type { WriteOrdersJob } from '@flash-sale/shared/admission/order-jobs.ts';
import { relaySale } from '@flash-sale/shared/admission/relay-sale.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';

const INTERVAL_MS = 1_000;
/** A reservation older than this may have lost its job. */
const STALE_MS = 2_000;

export interface RelayDeps {
  readonly commands: Commands;
  readonly shard: number;
  /** The queue of a shard. */
  readonly queue: (shard: number) => Queue<WriteOrdersJob>;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Relay: adds the jobs of reservations that have waited too long to the queue again. A job that was
 * never added, because the api process was killed, or that was lost is created again. A reservation
 * with a time in the future, as after a step back of Redis's clock, counts as too old at once. The
 * shard's outbox names the sales with such reservations, so that all other sales cost nothing.
 */
export function relay(deps: RelayDeps): Rounds {
  const { commands, shard, log, metrics } = deps;

  async function relayOne(sale: SaleRef, nowMs: number): Promise<void> {
    const jobs = await relaySale(deps, sale, nowMs, STALE_MS);
    if (jobs.length === 0) return;
    metrics.jobsRelayed.inc(jobs.length);
    log.info({ sale: sale.id, jobs }, 'jobs relayed');
  }

  return {
    name: 'relay',
    intervalMs: INTERVAL_MS,
    async round() {
      const { nowMs } = await commands.clock(shard);
      const stale = await commands.outbox(shard, nowMs - STALE_MS);
      const ahead = await commands.outboxAfter(shard, nowMs + RESERVATION_AHEAD_MS);
      const waiting = [...stale.map(({ saleId }) => saleId), ...ahead];
      const relayed = await Promise.allSettled(waiting.map((id) => relayOne({ id, shard }, nowMs)));
      const failed = relayed.filter((outcome) => outcome.status === 'rejected');
      for (const { reason } of failed) log.warn({ err: reason as unknown }, 'could not relay a sale in this round');
      // Let another process try: the cause may be this process's own.
      if (failed.length > 0) throw new Error(`${failed.length} sales were not relayed`);
    },
  };
}
