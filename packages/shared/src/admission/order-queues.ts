import { Queue } from 'bullmq';
import type { RedisClient } from '../platform/redis/client.ts';
import type { Keys } from '../platform/redis/keys.ts';
import type { Logger } from '../platform/telemetry/logger.ts';
import type { Tracing } from '../platform/telemetry/tracing.ts';
import { ORDERS_QUEUE, type WriteOrdersJob } from './order-jobs.ts';

/**
 * The queues of order jobs, one per shard, opened when they are first asked for. Ask again for each use: BullMQ keeps a failed start and rejects
 * every later call of that object with it, so a queue whose start failed is dropped, and the next one to ask gets a new one.
 */
export interface OrderQueues {
  readonly of: (shard: number) => Queue<WriteOrdersJob>;
  close(): Promise<void>;
}

export function openOrderQueues(deps: {
  /** A `producer` connection, shared by all of them. */
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
      // It has no connection of its own, so this only takes its listeners off the shared one.
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

/** How many jobs of a queue a worker could take now: those that wait, and those whose delay is over. A paused queue gives none away. */
export async function jobsToTake(redis: RedisClient, queue: Queue<WriteOrdersJob>, now_ms: number): Promise<number> {
  const [waiting, due, paused] = await Promise.all([
    redis.llen(queue.toKey('wait')),
    // BullMQ's scores are times in ms with 12 more bits, which number the jobs of one ms.
    redis.zcount(queue.toKey('delayed'), '-inf', now_ms * 0x1000),
    redis.hexists(queue.toKey('meta'), 'paused'),
  ]);
  return paused === 1 ? 0 : waiting + due;
}
