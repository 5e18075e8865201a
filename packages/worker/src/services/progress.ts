import type { Queue } from 'bullmq';
import { RESERVATION_AHEAD_MS, RESERVATION_LATE_MS } from '@flash-sale/shared/admission/reservation.ts';
import { jobsToTake } from '@flash-sale/shared/admission/order-queues.ts';
import type { WriteOrdersJob } from '@flash-sale/shared/admission/order-jobs.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import type { RedisClient } from '@flash-sale/shared/platform/redis/client.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Health } from '@flash-sale/shared/platform/telemetry/ops-server.ts';
import type { SaleList } from '@flash-sale/shared/sale/sale-list.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';

const INSPECT_MS = 1_000;
/** Longer than a hanging MySQL can delay a transaction: three attempts of up to 11 s each. */
const STUCK_AFTER_MS = 60_000;

/**
 * Whether this process makes progress with order jobs. It is stuck if a shard had jobs to take, or
 * a late order without a job, for `stuckAfterMs` without a break, and this process finished no
 * job in that time. A restart, with new connections, then helps. A job that returned to the queue
 * counts as finished: while MySQL does not answer, or another process holds the lease, a restart
 * would not help.
 */
export class Progress {
  readonly #stuckAfterMs: number;
  /** Shards with waiting work, and since when this process has finished no job of them. */
  readonly #idleSinceMs = new Map<number, number>();

  constructor(stuckAfterMs = STUCK_AFTER_MS) {
    this.#stuckAfterMs = stuckAfterMs;
  }

  /** A job was worked on, and completed or returned to the queue. */
  doneWithJob(shard: number): void {
    this.#idleSinceMs.delete(shard);
  }

  /**
   * The result of an inspection of the queue. If the queue cannot be inspected, nothing is known to
   * wait.
   */
  inspected(shard: number, somethingWaits: boolean, nowMs: number): void {
    if (!somethingWaits) this.#idleSinceMs.delete(shard);
    else if (!this.#idleSinceMs.has(shard)) this.#idleSinceMs.set(shard, nowMs);
  }

  stuckShards(nowMs: number): number[] {
    const stuck = [...this.#idleSinceMs].filter(([, sinceMs]) => nowMs - sinceMs >= this.#stuckAfterMs);
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
  /** Not the connection of a consumer, which may be the one that hangs. */
  readonly redis: RedisClient;
  /** The queue of a shard. */
  readonly queue: (shard: number) => Queue<WriteOrdersJob>;
  readonly log: Logger;
}

/** Checks once a second whether jobs or late orders wait. Every process does so for itself. */
export function progressWatch({ progress, sales, commands, redis, queue, log }: ProgressWatchDeps): Rounds {
  let known: readonly number[] = [];
  /** The admission time of each shard's oldest reservation, as last read. */
  const oldest = new Map<number, number | undefined>();

  /**
   * Whether the oldest reservation is late, or from before Redis's clock was set back, and still
   * the same as before: its job is lost, and no relay has added it again.
   */
  async function isLate(shard: number): Promise<boolean> {
    const [{ nowMs }, [first]] = await Promise.all([commands.clock(shard), commands.outbox(shard, Infinity, 1)]);
    const isSame = first !== undefined && first.oldestMs === oldest.get(shard);
    oldest.set(shard, first?.oldestMs);
    if (!isSame) return false;
    const waitedMs = nowMs - first.oldestMs;
    return waitedMs > RESERVATION_LATE_MS || waitedMs < -RESERVATION_AHEAD_MS;
  }

  async function inspect(shard: number): Promise<void> {
    let somethingWaits = false;
    try {
      const jobs = await jobsToTake(redis, queue(shard), Date.now());
      somethingWaits = (await isLate(shard)) || jobs > 0;
    } catch (error) {
      log.warn({ err: error, shard }, 'could not inspect a queue');
    }
    progress.inspected(shard, somethingWaits, performance.now());
  }

  return {
    name: 'progress',
    intervalMs: INSPECT_MS,
    async round() {
      await Promise.all([...new Set((await sales.current()).map(({ shard }) => shard))].map(inspect));
      const stuck = progress.stuckShards(performance.now());
      if (stuck.length > 0 && known.length === 0)
        log.error({ shards: stuck }, 'orders are waiting and no job completes');
      known = stuck;
    },
  };
}
