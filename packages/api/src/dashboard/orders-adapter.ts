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
        'A job names batches of orders that one call accepted, each of one sale. It is removed when they are in the ledger, so this page shows what is waiting now. ' +
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
export function titleOf({ data, timestamp, attemptsMade, failedReason }: QueueJobJson, nowMs: number): string {
  const { batches } = data as WriteOrdersJob;
  const parts = [batches.length === 1 ? `sale ${batches[0]!.sale_id}` : `${batches.length} sales`];
  const orders = batches.reduce<number | undefined>((sum, one) => one.orders && (sum ?? 0) + one.orders, undefined);
  if (orders !== undefined) parts.push(orders === 1 ? '1 order' : `${orders} orders`);
  parts.push(`${ageOf(nowMs - timestamp)} old`);
  if (attemptsMade > 0) parts.push(attemptsMade === 1 ? 'tried once' : `tried ${attemptsMade} times`);
  if (failedReason) parts.push(failedReason.slice(0, REASON_LENGTH_MAX));
  return parts.join(' · ');
}

const REASON_LENGTH_MAX = 80;

const dataOf = ({ shard, batches }: WriteOrdersJob) => ({
  shard,
  batches: batches.map(({ sale_id: saleId, batch_no: batchNo, orders }) => ({
    sale: saleId,
    batch_no: batchNo,
    orders,
  })),
});

function ageOf(ageMs: number): string {
  const ageS = Math.max(0, Math.round(ageMs / 1_000));
  if (ageS < 120) return `${ageS} s`;
  const ageMin = Math.round(ageS / 60);
  return ageMin < 120 ? `${ageMin} min` : `${Math.round(ageMin / 60)} h`;
}
