import { Queue } from 'bullmq';
import { afterAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { connectDb } from '@flash-sale/shared/platform/mysql/client.ts';
import type { Sale, SaleRef } from '@flash-sale/shared/sale/sale.ts';
import { jobsToTake } from '@flash-sale/shared/admission/order-queues.ts';
import { ORDERS_QUEUE, writeOrders, type WriteOrdersJob } from '@flash-sale/shared/admission/order-jobs.ts';
import { connectRedis, type RedisClient } from '@flash-sale/shared/platform/redis/client.ts';
import { acquireLease } from '@flash-sale/shared/sale/lease.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { OrderWriter } from '../../src/order-writer/order-writer.ts';
import { orderConsumers } from '../../src/services/order-consumers.ts';
import { Progress, progressWatch } from '../../src/services/progress.ts';
import { SaleList } from '@flash-sale/shared/sale/sale-list.ts';
import { openHangingProxy, type HangingProxy } from '../hanging-proxy.ts';
import { readLedger } from '../ledger.ts';
import { openMysqlProxy } from '../mysql-proxy.ts';
import { admitAll, shoppers } from '../shoppers.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';

const STUCK_AFTER_MS = 1_000;

describe('a process is stuck', () => {
  test('if jobs have waited for the whole time and it finished none', () => {
    const progress = new Progress(STUCK_AFTER_MS);
    progress.inspected(3, true, 500);
    progress.inspected(3, true, 1_400);
    expect(progress.stuckShards(1_499)).toEqual([]);
    expect(progress.stuckShards(1_500)).toEqual([3]);
  });

  test.each<[string, (progress: Progress) => void]>([
    ['a job was done with', (progress) => progress.doneWithJob(3)],
    ['nothing waited any more', (progress) => progress.inspected(3, false, 1_400)],
  ])('is not stuck if in between %s: the time starts over', (_what, happen) => {
    const progress = new Progress(STUCK_AFTER_MS);
    progress.inspected(3, true, 500);
    happen(progress);
    progress.inspected(3, true, 1_450);
    expect(progress.stuckShards(2_449)).toEqual([]);
    expect(progress.stuckShards(2_450)).toEqual([3]);
  });

  test('if one shard is, however busy it is with another', () => {
    const progress = new Progress(STUCK_AFTER_MS);
    progress.inspected(0, true, 0);
    progress.inspected(1, true, 0);
    progress.doneWithJob(1);
    expect(progress.stuckShards(STUCK_AFTER_MS)).toEqual([0]);
  });
});

let context: TestContext;
const opened: TestContext[] = [];
// Jobs that one test leaves behind would wait in the next one.
beforeEach(async () => {
  context = await openTestContext();
  opened.push(context);
});
afterAll(() => Promise.all(opened.map((each) => each.close())));

function openQueue(): Queue<WriteOrdersJob> {
  const connection = connectRedis(context.config, 'producer');
  const queue = new Queue<WriteOrdersJob>(ORDERS_QUEUE, { connection, prefix: context.keys.queuePrefix(0) });
  onTestFinished(async () => {
    await queue.close();
    connection.disconnect();
  });
  return queue;
}

async function addJob(queue: Queue<WriteOrdersJob>, sale: SaleRef, jobId: string, userIds = [jobId]): Promise<void> {
  await admitAll(context, sale, userIds, jobId);
  const { name, data, opts } = writeOrders(sale, jobId);
  await queue.add(name, data, opts);
}

/** One process's consumers. Its progress is watched by the test, which chooses when to look. */
function startConsumers(
  queue: Queue<WriteOrdersJob>,
  servers: { redis?: HangingProxy; mysql?: { port: number } } = {},
) {
  const clients: RedisClient[] = [];
  const { commands, log, db, keys, config, redis } = context;
  const progress = new Progress(STUCK_AFTER_MS);
  const doneWithJob = vi.spyOn(progress, 'doneWithJob');
  const inspected = vi.spyOn(progress, 'inspected');
  const ledger = connectDb({ ...config, DB_PORT: servers.mysql?.port ?? config.DB_PORT }, 'lease');
  const writer = new OrderWriter({
    db: ledger,
    commands,
    log,
    metrics: createMetrics('worker'),
    orderBatchMax: 500,
    paymentTimeoutMs: 900_000,
    orderEvents: false,
  });
  const consumers = orderConsumers({
    db,
    keys,
    writer,
    connect: () => {
      const address = servers.redis?.address ?? config.REDIS_ADDR;
      const client = connectRedis({ ...config, REDIS_ADDR: address }, 'blocking');
      clients.push(client.on('error', () => undefined));
      return client;
    },
    concurrency: 16,
    progress,
    log,
    metrics: createMetrics('worker'),
  });
  onTestFinished(async () => {
    if (servers.redis !== undefined) {
      // A consumer whose connection hangs cannot be closed. One that has lost its connection can.
      servers.redis.close();
      await vi.waitUntil(() => clients.every(({ status }) => status !== 'ready'), SOON);
    }
    await consumers.stop();
    await ledger.destroy();
  });
  consumers.start();
  const watch = progressWatch({ progress, sales: new SaleList(db, log), commands, redis, queue: () => queue, log });
  return {
    doneWithJob,
    /** The result of an inspection of the queue: whether jobs wait. */
    async look(): Promise<boolean | undefined> {
      await watch.round(new AbortController().signal);
      return inspected.mock.lastCall?.[1];
    },
    /** The shards that are stuck when so much time has passed since the last look. */
    stuckIn: (passedMs: number) => progress.stuckShards(performance.now() + passedMs),
  };
}

const soldOf = async (sale: Sale): Promise<number> => (await readLedger(context.db, sale)).sold;

test('a consumer whose connection hangs while jobs wait makes its process stuck; a new one finishes the jobs', async () => {
  const sale = await context.openSale();
  const queue = openQueue();
  const proxy = await openHangingProxy(context.config.REDIS_ADDR);
  const process = startConsumers(queue, { redis: proxy });
  await addJob(queue, sale, 'job-before');
  await expect.poll(() => soldOf(sale), SOON).toBe(1);
  await expect.poll(() => queue.getJob('job-before'), SOON).toBeUndefined();

  proxy.hang();
  await addJob(queue, sale, 'job-stranded');
  process.doneWithJob.mockClear();
  expect(await process.look()).toBe(true);

  expect(process.doneWithJob).not.toHaveBeenCalled();
  expect(process.stuckIn(STUCK_AFTER_MS)).toEqual([0]);
  startConsumers(queue);
  await expect.poll(() => soldOf(sale), SOON).toBe(2);
});

test('a process without work is never stuck', async () => {
  await context.openSale();
  const process = startConsumers(openQueue());
  expect(await process.look()).toBe(false);
  expect(process.stuckIn(3_600_000)).toEqual([]);
});

test('a process whose jobs must wait for another holder of the lease is not stuck: they return to the queue', async () => {
  const sale = await context.openSale();
  const queue = openQueue();
  const lease = (await acquireLease(context.commands, sale, 5_000))!;
  onTestFinished(() => lease.release());
  await addJob(queue, sale, 'job-patient');
  const process = startConsumers(queue);

  await vi.waitFor(() => expect(process.doneWithJob.mock.calls.length).toBeGreaterThanOrEqual(3), SOON);
});

test('a process is not stuck while MySQL is down: its jobs return, and a restart would not help', async () => {
  const sale = await context.openSale();
  const queue = openQueue();
  const mysql = await openMysqlProxy({ host: context.config.DB_HOST, port: context.config.DB_PORT });
  mysql.cut();
  const process = startConsumers(queue, { mysql });
  await addJob(queue, sale, 'job-outage', shoppers(2));

  await vi.waitFor(() => expect(process.doneWithJob.mock.calls.length).toBeGreaterThanOrEqual(3), SOON);
});

test('if Redis does not answer, nothing is known to wait', async () => {
  await context.openSale();
  const closed = connectRedis(context.config, 'background');
  closed.disconnect();
  const progress = new Progress(STUCK_AFTER_MS);
  const { db, log } = context;
  const queue = openQueue();
  progress.inspected(0, true, 0);
  const watch = progressWatch({
    progress,
    sales: new SaleList(db, log),
    commands: context.commands,
    redis: closed,
    queue: () => queue,
    log,
  });
  await watch.round(new AbortController().signal);
  expect(progress.stuckShards(Infinity)).toEqual([]);
});

test('a process is stuck if an order is late without a job; not while the oldest one keeps changing', async () => {
  const sale = await context.openSale();
  const process = startConsumers(openQueue());
  await admitAll(context, sale, ['without-a-job'], 'first');
  const { batchTimes } = context.keys.sale(sale);
  const age = async (): Promise<void> => {
    await context.redis.zincrby(batchTimes, -60_000, 'first');
    await context.commands.noteOldest(sale);
  };
  expect([await process.look(), await process.look()]).toEqual([false, false]);
  await age();
  expect(await process.look()).toBe(false);
  await age();
  expect(await process.look()).toBe(false);
  expect(await process.look()).toBe(true);
  expect(process.stuckIn(STUCK_AFTER_MS)).toEqual([0]);
});

test('a process is stuck if the oldest order stays one from before Redis’s clock was set back', async () => {
  const sale = await context.openSale();
  const process = startConsumers(openQueue());
  await admitAll(context, sale, ['from-the-future'], 'first');
  await context.redis.zincrby(context.keys.sale(sale).batchTimes, 30_000, 'first');
  await context.commands.noteOldest(sale);
  expect([await process.look(), await process.look()]).toEqual([false, true]);
});

test('jobs to take are waiting ones and those whose delay is over; a paused queue has none', async () => {
  const queue = openQueue();
  const add = (jobId: string, delay = 0) => {
    const { name, data, opts } = writeOrders({ id: 1, shard: 0 }, jobId);
    return queue.add(name, data, { ...opts, delay });
  };
  await add('job-waiting');
  await add('job-delayed', 600_000);
  const count = (atMs: number) => jobsToTake(context.redis, queue, atMs);

  expect(await count(Date.now())).toBe(1);
  expect(await count(Date.now() + 600_001)).toBe(2);
  await queue.pause();
  expect(await count(Date.now())).toBe(0);
});
