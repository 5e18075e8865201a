import type { JobsOptions } from 'bullmq';
import type { SaleRef } from '../sale/sale.ts';

/** Name of the queue in every shard; the shard is in the prefix (`Keys.queuePrefix`). */
export const ORDERS_QUEUE = 'orders';

/** Name of the jobs: one per batch. */
export const WRITE_ORDERS = 'write_orders';

/** The job only names the batch. The orders themselves are in the outbox. */
export interface WriteOrdersJob {
  readonly shard: number;
  readonly sale_id: number;
  readonly batch_no: string;
  /** The number of its orders, for the dashboard; not known to the relay. */
  readonly orders?: number | undefined;
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
 * The job of a batch. Its id is the number of the batch. A job is retried until it succeeds. A
 * finished job is removed: if it were kept, BullMQ would ignore a later job with the same id.
 */
export function writeOrders(
  sale: SaleRef,
  batchNo: string,
  orders?: number,
): { readonly name: string; readonly data: WriteOrdersJob; readonly opts: JobsOptions } {
  return {
    name: WRITE_ORDERS,
    data: { shard: sale.shard, sale_id: sale.id, batch_no: batchNo, orders },
    opts: {
      jobId: batchNo,
      attempts: Number.MAX_SAFE_INTEGER,
      backoff: { type: 'capped' },
      removeOnComplete: true,
      removeOnFail: true,
      keepLogs: 10,
      stackTraceLimit: 1,
    },
  };
}
