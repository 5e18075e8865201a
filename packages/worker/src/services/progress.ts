import type { Queue } from 'bullmq';
import { jobsToTake } from '@flash-sale/shared/queue/order-queues.ts';
import type { WriteOrdersJob } from '@flash-sale/shared/queue/orders-queue.ts';
import type { RedisClient } from '@flash-sale/shared/redis/client.ts';
import type { Logger } from '@flash-sale/shared/telemetry/logger.ts';
import type { Health } from '@flash-sale/shared/telemetry/ops-server.ts';
import type { SaleList } from './sale-list.ts';
import type { Rounds } from '@flash-sale/shared/process/service.ts';

const LOOK_MS = 1_000;

/**
 * Whether this process gets on with order jobs. It is stuck where a shard had jobs to take for `stuck_after_ms` on end and this process was
 * done with none of them: a restart, with new connections, is then the cure. A job that came back to the queue counts as done with: while
 * MySQL is away, or another process holds the lease, this one lives, and a restart would mend nothing.
 */
export class Progress {
  readonly #stuck_after_ms: number;
  /** Shards that have jobs to take, and since when this process was done with none. */
  readonly #idle_since_ms = new Map<number, number>();

  constructor(stuck_after_ms: number) {
    this.#stuck_after_ms = stuck_after_ms;
  }

  /** A job was worked on, and completed or came back. */
  doneWithJob(shard: number): void {
    this.#idle_since_ms.delete(shard);
  }

  /** What a look at the queue has shown; where it could not be looked at, nothing is known to wait. */
  looked(shard: number, hasJobsToTake: boolean, now_ms: number): void {
    if (!hasJobsToTake) this.#idle_since_ms.delete(shard);
    else if (!this.#idle_since_ms.has(shard)) this.#idle_since_ms.set(shard, now_ms);
  }

  stuckShards(now_ms: number): number[] {
    const stuck = [...this.#idle_since_ms].filter(([, since_ms]) => now_ms - since_ms >= this.#stuck_after_ms);
    return stuck.map(([shard]) => shard);
  }

  health(): Health {
    const shards = this.stuckShards(performance.now());
    return shards.length === 0 ? { status: 'ok' } : { status: 'stuck', shards };
  }
}

export interface ProgressWatchDeps {
  readonly progress: Progress;
  readonly sales: SaleList;
  /** Not the connection of a consumer, which may be what hangs. */
  readonly redis: RedisClient;
  /** The queue of a shard. */
  readonly queue: (shard: number) => Queue<WriteOrdersJob>;
  readonly log: Logger;
}

/** Looks once a second whether jobs wait, in every process for itself. */
export function progressWatch({ progress, sales, redis, queue, log }: ProgressWatchDeps): Rounds {
  let known: readonly number[] = [];

  async function look(shard: number): Promise<void> {
    let jobs = 0;
    try {
      jobs = await jobsToTake(redis, queue(shard), Date.now());
    } catch (error) {
      log.warn({ err: error, shard }, 'queue could not be looked at');
    }
    progress.looked(shard, jobs > 0, performance.now());
  }

  return {
    name: 'progress',
    interval_ms: LOOK_MS,
    async round() {
      await Promise.all([...new Set((await sales.current()).map(({ shard }) => shard))].map(look));
      const stuck = progress.stuckShards(performance.now());
      if (stuck.length > 0 && known.length === 0) log.error({ shards: stuck }, 'jobs wait and none gets done');
      known = stuck;
    },
  };
}
