import type { JobsOptions } from 'bullmq';
import type { SaleRef } from '../sale/sale.ts';

/** Name of the queue in every shard; the shard is in the prefix (`Keys.queuePrefix`). */
export const ORDERS_QUEUE = 'orders';

/** Name of the jobs. */
export const WRITE_ORDERS = 'write_orders';

/** A job only names batches. The orders themselves are in the outbox. */
export interface WriteOrdersJob {
  readonly shard: number;
  readonly batches: readonly BatchJson[];
}

export interface BatchJson {
  readonly sale_id: number;
  readonly batch_no: string;
  /** The number of its orders, for the dashboard; not known to the relay. */
  readonly orders?: number | undefined;
}

/**
 * A call may accept batches of a hundred sales. A job for each would cost Redis more than their
 * admission; one job for all would be written by one process, one sale after the other.
 */
const JOB_BATCHES_MAX = 10;

const BACKOFF_MS_MAX = 2_000;

/**
 * Backoff of the n-th attempt in ms. It doubles up to a cap: a job must run soon after MySQL is
 * back.
 */
export function backoffMs(attempt: number): number {
  return Math.min(BACKOFF_MS_MAX, 50 * 2 ** Math.min(attempt, 10));
}

interface NewJob {
  readonly name: string;
  readonly data: WriteOrdersJob;
  readonly opts: JobsOptions;
}

/** The job of one batch. */
export function writeOrders(sale: SaleRef, batchNo: string, orders?: number): NewJob {
  return jobOf(sale.shard, [{ sale_id: sale.id, batch_no: batchNo, orders }]);
}

/** The jobs of batches that one call accepted. */
export function writeTogether(shard: number, batches: readonly BatchJson[]): NewJob[] {
  const jobs: NewJob[] = [];
  for (let from = 0; from < batches.length; from += JOB_BATCHES_MAX) {
    jobs.push(jobOf(shard, batches.slice(from, from + JOB_BATCHES_MAX)));
  }
  return jobs;
}

/**
 * The id of a job is the number of its first batch. A job is retried until it succeeds. A finished
 * job is removed: if it were kept, BullMQ would ignore a later job with the same id.
 */
function jobOf(shard: number, batches: readonly BatchJson[]): NewJob {
  return {
    name: WRITE_ORDERS,
    data: { shard, batches },
    opts: {
      jobId: batches[0]!.batch_no,
      attempts: Number.MAX_SAFE_INTEGER,
      backoff: { type: 'capped' },
      removeOnComplete: true,
      removeOnFail: true,
      keepLogs: 10,
      stackTraceLimit: 1,
    },
  };
}
