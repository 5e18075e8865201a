import type { JobStatus, QueueJobJson, Status } from '@bull-board/api/typings/app';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import type { Queue } from 'bullmq';
import type { WriteOrdersJob } from '@flash-sale/shared/admission/order-jobs.ts';

/**
 * Completed jobs are removed and no job fails permanently, so the other states are always empty.
 */
const STATUSES = ['active', 'waiting', 'delayed', 'failed'] as JobStatus[];

/** A shard's queue of order jobs in the form and words that the dashboard shows. */
export class OrdersAdapter extends BullMQAdapter {
  readonly #shard: number;

  constructor(queue: Queue<WriteOrdersJob>, shard: number) {
    super(queue, {
      displayName: `Orders, shard ${shard}`,
      description:
        'A job holds the order numbers of one micro-batch. It is removed when they are in the ledger, so this page shows what is waiting now. ' +
        'A delayed job has failed or waits for the lease of the sale. It runs again by itself.',
      allowRetries: true,
    });
    this.#shard = shard;
    this.setFormatter('name', (job: QueueJobJson) => titleOf(job, Date.now()));
    this.setFormatter('data', dataOf);
  }

  /** Part of the page's URLs. BullMQ's own name is the same in every shard. */
  override getName(): string {
    return `orders-shard-${this.#shard}`;
  }

  override getStatuses(): Status[] {
    return ['latest', ...STATUSES];
  }

  override getJobStatuses(): JobStatus[] {
    return [...STATUSES];
  }
}

/** The title of a job: `sale 17 · 42 orders · 3 s old · tried 2 times · connect ECONNREFUSED`. */
export function titleOf({ data, timestamp, attemptsMade, failedReason }: QueueJobJson, now_ms: number): string {
  const { sale_id, order_nos } = data as WriteOrdersJob;
  const orders = order_nos.length === 1 ? '1 order' : `${order_nos.length} orders`;
  const parts = [`sale ${sale_id}`, orders, `${ageOf(now_ms - timestamp)} old`];
  if (attemptsMade > 0) parts.push(attemptsMade === 1 ? 'tried once' : `tried ${attemptsMade} times`);
  if (failedReason) parts.push(failedReason.slice(0, REASON_LENGTH_MAX));
  return parts.join(' · ');
}

const REASON_LENGTH_MAX = 80;

const dataOf = ({ sale_id, shard, order_nos }: WriteOrdersJob) => ({
  sale: sale_id,
  shard,
  orders: order_nos.length,
  order_nos,
});

function ageOf(age_ms: number): string {
  const age_s = Math.max(0, Math.round(age_ms / 1_000));
  if (age_s < 120) return `${age_s} s`;
  const age_min = Math.round(age_s / 60);
  return age_min < 120 ? `${age_min} min` : `${Math.round(age_min / 60)} h`;
}
