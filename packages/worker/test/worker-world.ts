import type { EventEmitter } from 'node:events';
import { Queue, QueueEvents } from 'bullmq';
import { onTestFinished } from 'vitest';
import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import { ORDERS_QUEUE, writeOrders, type WriteOrdersJob } from '@flash-sale/shared/admission/order-jobs.ts';
import { connectRedis } from '@flash-sale/shared/platform/redis/client.ts';
import { openTestContext } from '@flash-sale/shared/testing/support.ts';
import { admitAll } from './shoppers.ts';

/** A context for each test, because a worker process does all the work that it finds in its own. */
export async function openWorld(env: Readonly<Record<string, string>> = {}) {
  const context = await openTestContext(env);
  const connection = connectRedis(context.config, 'producer');
  const prefix = context.keys.queuePrefix(0);
  const queue = new Queue<WriteOrdersJob>(ORDERS_QUEUE, { connection, prefix });
  const listening = connectRedis(context.config, 'blocking');
  const events = new QueueEvents(ORDERS_QUEUE, { connection: listening, prefix });
  // A test may kill Redis; the errors of its own connections do not matter.
  for (const emitter of [context.redis, connection, listening, queue, events] as EventEmitter[])
    emitter.on('error', () => undefined);
  const failed: string[] = [];
  events.on('failed', ({ jobId }) => failed.push(jobId));
  const completed: string[] = [];
  events.on('completed', ({ jobId }) => completed.push(jobId));
  onTestFinished(async () => {
    await Promise.all([queue.close(), events.close()]);
    connection.disconnect();
    listening.disconnect();
    await context.close();
  });
  await events.waitUntilReady();
  return {
    context,
    queue,
    completed,
    /** Ids of jobs that failed for good; there must be none. */
    failed,
    buy: async (sale: SaleRef, userIds: readonly string[], jobId: string) => {
      await admitAll(context, sale, userIds, jobId);
      const { name, data, opts } = writeOrders(sale, jobId);
      return queue.add(name, data, opts);
    },
  };
}
