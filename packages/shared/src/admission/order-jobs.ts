import type { JobsOptions } from 'bullmq';

/** Name of the queue in every shard; the shard is in the prefix (`Keys.queuePrefix`). */
export const ORDERS_QUEUE = 'orders';

/** Name of the jobs: one per micro-batch. */
export const WRITE_ORDERS = 'write_orders';

/** The job only names the sale. The orders themselves are in the reservations. */
export interface WriteOrdersJob {
  readonly shard: number;
  readonly sale_id: number;
  readonly order_nos: readonly string[];
}

const BACKOFF_MS_MAX = 2_000;

/**
 * Backoff of the n-th attempt in ms. It doubles up to a cap: a job must run soon after MySQL is
 * back.
 */
export function backoffMs(attempt: number): number {
  return Math.min(BACKOFF_MS_MAX, 50 * 2 ** Math.min(attempt, 10));
}

/**
 * Options of every job. A job is retried until it succeeds. A finished job is removed: if it were
 * kept, BullMQ would ignore a later job with the same id.
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
