import type { JobsOptions } from 'bullmq';

/** Name of the queue in every shard; the shard is in the prefix (`Keys.queuePrefix`). */
export const ORDERS_QUEUE = 'orders';

/** Name of the jobs: one per micro-batch. */
export const WRITE_ORDERS = 'write_orders';

/** What a job carries: where to look. The orders themselves are in the reservations. */
export interface WriteOrdersJob {
  readonly shard: number;
  readonly sale_id: number;
  readonly order_nos: readonly string[];
}

const BACKOFF_MS_MAX = 2_000;

/** Backoff of the n-th attempt (ms): doubling, capped, since the cure is MySQL coming back and not patience. */
export function backoff_ms(attempt: number): number {
  return Math.min(BACKOFF_MS_MAX, 50 * 2 ** Math.min(attempt, 10));
}

/**
 * Options of every add. Jobs retry for as long as it takes, and leave nothing behind: a retained finished job would
 * silently swallow a later add under its id.
 */
export function writeOrdersOptions(jobId: string): JobsOptions {
  return {
    jobId,
    attempts: Number.MAX_SAFE_INTEGER,
    backoff: { type: 'capped' },
    removeOnComplete: true,
    removeOnFail: true,
    keepLogs: 10,
    stackTraceLimit: 1,
  };
}
