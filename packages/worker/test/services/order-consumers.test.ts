import { Queue, QueueEvents } from 'bullmq';
import { expect, onTestFinished, test, vi } from 'vitest';
import { connectDb } from '@flash-sale/shared/platform/mysql/client.ts';
import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import { ORDERS_QUEUE, writeOrders, type WriteOrdersJob } from '@flash-sale/shared/admission/order-jobs.ts';
import { connectRedis } from '@flash-sale/shared/platform/redis/client.ts';
import { acquireLease } from '@flash-sale/shared/sale/lease.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { testContext } from '@flash-sale/shared/testing/support.ts';
import { OrderWriter } from '../../src/order-writer/order-writer.ts';
import { orderConsumers } from '../../src/services/order-consumers.ts';
import { Progress } from '../../src/services/progress.ts';
import type { Service } from '@flash-sale/shared/platform/process/service.ts';
import { aLockIsWaitedFor, lockSaleRow, readLedger } from '../ledger.ts';
import { openMysqlProxy } from '../mysql-proxy.ts';
import { admitAll, shoppers } from '../shoppers.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';

const context = await testContext();

function openQueue(shard = 0): Queue<WriteOrdersJob> {
  const connection = connectRedis(context.config, 'producer');
  const queue = new Queue<WriteOrdersJob>(ORDERS_QUEUE, { connection, prefix: context.keys.queuePrefix(shard) });
  onTestFinished(async () => {
    await queue.close();
    connection.disconnect();
  });
  return queue;
}

/** Lets the shoppers buy in one batch, and adds its job. */
async function buyAndAddJob(queue: Queue<WriteOrdersJob>, sale: SaleRef, userIds: readonly string[], batchNo: string) {
  await admitAll(context, sale, userIds, batchNo);
  const { name, data, opts } = writeOrders(sale, batchNo);
  return queue.add(name, data, opts);
}

/** The consumers of one process. `server` is the address of its MySQL. */
function startConsumers(
  server = { host: context.config.DB_HOST, port: context.config.DB_PORT },
  metrics = createMetrics('worker'),
): Service {
  const ledger = connectDb({ ...context.config, DB_HOST: server.host, DB_PORT: server.port }, 'lease');
  const { commands, log, db, keys, config } = context;
  const service = orderConsumers({
    db,
    keys,
    writer: new OrderWriter({
      db: ledger,
      commands,
      log,
      metrics,
      orderBatchMax: 500,
      paymentTimeoutMs: 900_000,
      orderEvents: false,
    }),
    connect: () => connectRedis(config, 'blocking'),
    concurrency: 16,
    progress: new Progress(60_000),
    log,
    metrics,
  });
  onTestFinished(async () => {
    await service.stop();
    await ledger.destroy();
  });
  service.start();
  return service;
}

/** A counter of jobs, of shard 0. */
const countOf = async (counter: { get(): Promise<{ values: { value: number }[] }> }): Promise<number> =>
  (await counter.get()).values[0]?.value ?? 0;

const soldOf = async (sale: SaleRef): Promise<number> => (await readLedger(context.db, sale)).sold;

test('a job completes and leaves nothing in Redis', async () => {
  const sale = await context.openSale();
  const queue = openQueue();
  await buyAndAddJob(queue, sale, shoppers(3), 'job-complete');
  startConsumers();

  await expect.poll(() => soldOf(sale), SOON).toBe(3);
  await expect.poll(() => queue.getJob('job-complete'), SOON).toBeUndefined();
  expect(await queue.getJobCounts()).toMatchObject({ completed: 0, failed: 0, active: 0, waiting: 0, delayed: 0 });
  expect(await context.redis.keys(`${context.keys.queuePrefix(0)}*job-complete*`)).toEqual([]);
});

test('a job whose id was used before runs again', async () => {
  const sale = await context.openSale();
  const queue = openQueue();
  startConsumers();
  const early = writeOrders(sale, 'job-again');
  await queue.add(early.name, early.data, early.opts);
  // Nothing of its batch waits, so it is done.
  await expect.poll(() => queue.getJob('job-again'), SOON).toBeUndefined();

  await buyAndAddJob(queue, sale, ['late'], 'job-again');

  await expect.poll(() => soldOf(sale), SOON).toBe(1);
});

test('while MySQL is down a job retries with its error recorded, and completes by itself when MySQL is back', async () => {
  const sale = await context.openSale();
  const queue = openQueue();
  const mysql = await openMysqlProxy({ host: context.config.DB_HOST, port: context.config.DB_PORT });
  mysql.cut();
  startConsumers(mysql);
  await buyAndAddJob(queue, sale, shoppers(2), 'job-outage');

  // More than one attempt, so that a later one is known to follow.
  await vi.waitFor(async () => {
    const job = await queue.getJob('job-outage');
    expect(job?.attemptsMade).toBeGreaterThanOrEqual(3);
    expect(job?.failedReason).toMatch(/\S/);
  }, SOON);
  expect(await soldOf(sale)).toBe(0);
  mysql.restore();

  await expect.poll(() => soldOf(sale), SOON).toBe(2);
  await expect.poll(() => queue.getJob('job-outage'), SOON).toBeUndefined();
});

test('a job returns without counting an attempt if another process holds its sale’s lease', async () => {
  const sale = await context.openSale();
  const queue = openQueue();
  const lease = (await acquireLease(context.commands, sale, 5_000))!;
  onTestFinished(() => lease.release());
  await buyAndAddJob(queue, sale, ['patient'], 'job-not-now');
  const metrics = createMetrics('worker');
  startConsumers(undefined, metrics);

  // It was taken up and went back several times.
  await expect.poll(async () => (await queue.getJob('job-not-now'))?.attemptsStarted, SOON).toBeGreaterThanOrEqual(3);
  const job = await queue.getJob('job-not-now');
  expect(job?.attemptsMade).toBe(0);
  expect(job?.failedReason).toBeUndefined();
  expect(await countOf(metrics.jobsPutOff)).toBeGreaterThanOrEqual(2);

  await lease.release();
  await expect.poll(() => soldOf(sale), SOON).toBe(1);
  await expect.poll(() => countOf(metrics.jobsCompleted), SOON).toBe(1);
  expect(await countOf(metrics.jobsFailed)).toBe(0);
});

test('stop lets the present transaction end, returns the other jobs and leaves none of them locked', async () => {
  const sale = await context.openSale();
  const queue = openQueue();
  const lock = await lockSaleRow(context.config, sale);
  await buyAndAddJob(queue, sale, ['first'], 'job-first');
  const service = startConsumers();
  await aLockIsWaitedFor(context.db);
  await buyAndAddJob(queue, sale, ['second'], 'job-second');
  await expect.poll(() => queue.getActiveCount(), SOON).toBe(2);

  const stopped = service.stop();
  await lock.release();
  await stopped;

  const { orders } = await readLedger(context.db, sale);
  expect(orders.map(({ user_id: userId }) => userId)).toEqual(['first']);
  expect(await queue.getJob('job-first')).toBeUndefined();
  expect(await (await queue.getJob('job-second'))?.getState()).toBe('delayed');
  expect((await queue.getJob('job-second'))?.attemptsMade).toBe(0);
});

test('a shard that gets its first sale while the worker runs is served too', async () => {
  startConsumers();
  const sale = await context.openSale({ shard: 7 });
  const queue = openQueue(7);
  await buyAndAddJob(queue, sale, shoppers(2), 'job-shard');

  await expect.poll(() => soldOf(sale), SOON).toBe(2);
});

test('no job ever fails permanently: not by errors, not by stalls', async () => {
  const sale = await context.openSale();
  const queue = openQueue();
  const connection = connectRedis(context.config, 'blocking');
  const events = new QueueEvents(ORDERS_QUEUE, { connection, prefix: context.keys.queuePrefix(0) });
  onTestFinished(async () => {
    await events.close();
    connection.disconnect();
  });
  const failed: string[] = [];
  events.on('failed', ({ jobId }) => failed.push(jobId));
  await events.waitUntilReady();
  const job = await buyAndAddJob(queue, sale, ['stalled'], 'job-stalled');
  const completed = job.waitUntilFinished(events);
  // A job of a worker that died, in its worst state: active, stalled many times before, and not
  // locked.
  const prefix = `${context.keys.queuePrefix(0)}:${ORDERS_QUEUE}`;
  await context.redis.hset(`${prefix}:job-stalled`, 'stc', '50');
  await context.redis.lmove(`${prefix}:wait`, `${prefix}:active`, 'RIGHT', 'LEFT');
  startConsumers();

  await completed;

  expect(failed).toEqual([]);
  expect(await soldOf(sale)).toBe(1);
});
