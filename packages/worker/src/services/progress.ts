import type { Queue } from 'bullmq';
import { RESERVATION_AHEAD_MS, RESERVATION_LATE_MS } from '@flash-sale/shared/order/order.ts';
import { jobsToTake } from '@flash-sale/shared/admission/order-queues.ts';
import type { WriteOrdersJob } from '@flash-sale/shared/admission/order-jobs.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import type { RedisClient } from '@flash-sale/shared/platform/redis/client.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Health } from '@flash-sale/shared/platform/telemetry/ops-server.ts';
import type { SaleList } from './sale-list.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';

const LOOK_MS = 1_000;
/** Longer than a MySQL that hangs can hold a transaction: three tries of up to 11 s each. */
const STUCK_AFTER_MS = 60_000;

/**
 * Whether this process gets on with order jobs. It is stuck where a shard had jobs to take, or an order that is late and no job for it, for
 * `stuck_after_ms` on end and this process was done with no job: a restart, with new connections, is then the cure. A job that came back to the queue counts as done with: while
 * MySQL is away, or another process holds the lease, this one lives, and a restart would mend nothing.
 */
export class Progress {
  readonly #stuck_after_ms: number;
  /** Shards in which something waits, and since when this process was done with none. */
  readonly #idle_since_ms = new Map<number, number>();

  constructor(stuck_after_ms = STUCK_AFTER_MS) {
    this.#stuck_after_ms = stuck_after_ms;
  }

  /** A job was worked on, and completed or came back. */
  doneWithJob(shard: number): void {
    this.#idle_since_ms.delete(shard);
  }

  /** What a look at the queue has shown; where it could not be looked at, nothing is known to wait. */
  looked(shard: number, somethingWaits: boolean, now_ms: number): void {
    if (!somethingWaits) this.#idle_since_ms.delete(shard);
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
  readonly commands: Commands;
  /** Not the connection of a consumer, which may be what hangs. */
  readonly redis: RedisClient;
  /** The queue of a shard. */
  readonly queue: (shard: number) => Queue<WriteOrdersJob>;
  readonly log: Logger;
}

/** Looks once a second whether jobs or late orders wait, in every process for itself. */
export function progressWatch({ progress, sales, commands, redis, queue, log }: ProgressWatchDeps): Rounds {
  let known: readonly number[] = [];
  /** When the oldest reservation of each shard was admitted, as it was last seen. */
  const oldest = new Map<number, number | undefined>();

  /** Whether the oldest reservation is late, or from before Redis's clock was set back, and still the same: its job is lost, and nobody makes it again. */
  async function isLate(shard: number): Promise<boolean> {
    const [{ now_ms }, [first]] = await Promise.all([commands.clock(shard), commands.outbox(shard, Infinity, 1)]);
    const isSame = first !== undefined && first.oldest_ms === oldest.get(shard);
    oldest.set(shard, first?.oldest_ms);
    if (!isSame) return false;
    const waitedMs = now_ms - first.oldest_ms;
    return waitedMs > RESERVATION_LATE_MS || waitedMs < -RESERVATION_AHEAD_MS;
  }

  async function look(shard: number): Promise<void> {
    let somethingWaits = false;
    try {
      const jobs = await jobsToTake(redis, queue(shard), Date.now());
      somethingWaits = (await isLate(shard)) || jobs > 0;
    } catch (error) {
      log.warn({ err: error, shard }, 'could not inspect a queue');
    }
    progress.looked(shard, somethingWaits, performance.now());
  }

  return {
    name: 'progress',
    interval_ms: LOOK_MS,
    async round() {
      await Promise.all([...new Set((await sales.current()).map(({ shard }) => shard))].map(look));
      const stuck = progress.stuckShards(performance.now());
      if (stuck.length > 0 && known.length === 0)
        log.error({ shards: stuck }, 'orders are waiting and no job completes');
      known = stuck;
    },
  };
}
