import { Queue } from 'bullmq';
import type { RedisClient } from '../platform/redis/client.ts';
import type { Keys } from '../platform/redis/keys.ts';
import type { Logger } from '../platform/telemetry/logger.ts';
import type { Tracing } from '../platform/telemetry/tracing-types.ts';
import { ORDERS_QUEUE, type WriteOrdersJob } from './order-jobs.ts';

/**
 * The queues of order jobs, one per shard. A queue is opened at its first use. Call `of` for each
 * use: if the start of a BullMQ queue fails, every later call of that object fails too, so that
 * queue is dropped and the next call opens a new one.
 */
export interface OrderQueues {
  readonly of: (shard: number) => Queue<WriteOrdersJob>;
  close(): Promise<void>;
}

export function openOrderQueues(deps: {
  /** A `producer` connection, which all queues share. */
  readonly connection: RedisClient;
  readonly keys: Keys;
  readonly log: Logger;
  readonly tracing?: Tracing | undefined;
}): OrderQueues {
  const { connection, keys, log, tracing } = deps;
  const queues = new Map<number, Queue<WriteOrdersJob>>();
  function open(shard: number): Queue<WriteOrdersJob> {
    const queue = new Queue<WriteOrdersJob>(ORDERS_QUEUE, {
      connection,
      prefix: keys.queuePrefix(shard),
      ...(tracing === undefined ? {} : { telemetry: tracing.bullmq }),
    });
    queue.on('error', (error) => log.warn({ err: error, shard }, 'queue error'));
    queues.set(shard, queue);
    queue.waitUntilReady().catch(() => {
      if (queues.get(shard) === queue) queues.delete(shard);
      // The queue has no connection of its own: this only removes its listeners from the shared
      // one.
      queue.close().catch(() => undefined);
    });
    return queue;
  }
  return {
    of: (shard) => queues.get(shard) ?? open(shard),
    async close() {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}

/**
 * The number of jobs that a worker could take now: waiting jobs, and delayed jobs whose delay is
 * over. It is 0 for a paused queue.
 */
export async function jobsToTake(redis: RedisClient, queue: Queue<WriteOrdersJob>, nowMs: number): Promise<number> {
  const [waiting, due, paused] = await Promise.all([
    redis.llen(queue.toKey('wait')),
    // BullMQ's scores are times in ms, shifted by 12 bits that number the jobs of one ms.
    redis.zcount(queue.toKey('delayed'), '-inf', nowMs * 0x1000),
    redis.hexists(queue.toKey('meta'), 'paused'),
  ]);
  return paused === 1 ? 0 : waiting + due;
}
