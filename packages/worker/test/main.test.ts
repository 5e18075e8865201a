import { Queue, QueueEvents } from 'bullmq';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { SaleRef } from '@flash-sale/shared/domain/sale.ts';
import {
  ORDERS_QUEUE,
  WRITE_ORDERS,
  writeOrdersOptions,
  type WriteOrdersJob,
} from '@flash-sale/shared/queue/orders-queue.ts';
import { connectRedis } from '@flash-sale/shared/redis/client.ts';
import { openTestContext } from '../../shared/test/support.ts';
import { aLockIsWaitedFor, holdUpOrdersOf, readLedger, refuseOrdersOf } from './ledger.ts';
import { admitAll, shoppers } from './shoppers.ts';
import { startWorker } from './worker-process.ts';

/** What is promised after a kill: everything is finished within this time. */
const RECOVERY_MS = 10_000;

/** A context of the test's own, since processes do whatever work they find in theirs. */
async function openWorld(env: Readonly<Record<string, string>> = {}) {
  const context = await openTestContext(env);
  const connection = connectRedis(context.config, 'producer');
  const prefix = context.keys.queuePrefix(0);
  const queue = new Queue<WriteOrdersJob>(ORDERS_QUEUE, { connection, prefix });
  const listening = connectRedis(context.config, 'blocking');
  const events = new QueueEvents(ORDERS_QUEUE, { connection: listening, prefix });
  const failed: string[] = [];
  events.on('failed', ({ jobId }) => failed.push(jobId));
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
    events,
    /** Ids of jobs that were given up, of which there must not be any. */
    failed,
    buy: async (sale: SaleRef, userIds: readonly string[], jobId: string) => {
      const order_nos = await admitAll(context, sale, userIds, jobId);
      return queue.add(WRITE_ORDERS, { shard: 0, sale_id: sale.id, order_nos }, writeOrdersOptions(jobId));
    },
  };
}

describe('a worker process that is killed', () => {
  test('while it writes: another one finishes its job within 10 s, each order exactly once', async () => {
    const { context, queue, events, buy } = await openWorld();
    const sale = await context.openSale();
    const letGo = await holdUpOrdersOf(context.db, sale, shoppers(5));
    const doomed = await startWorker(context.env);
    const job = await buy(sale, shoppers(5), 'job-killed');
    await aLockIsWaitedFor(context.db);
    await startWorker(context.env);
    const completed = job.waitUntilFinished(events);
    expect(await job.getState()).toBe('active');

    doomed.kill('SIGKILL');
    await doomed.exited;
    const killed_ms = performance.now();
    await letGo();
    await completed;

    expect(performance.now() - killed_ms).toBeLessThan(RECOVERY_MS);
    const ledger = await readLedger(context.db, sale);
    expect(ledger).toMatchObject({ sold: 5, returns: [] });
    expect(ledger.orders.map(({ status }) => status)).toEqual(Array(5).fill('pending_payment'));
    expect(await context.commands.backlog(sale)).toBe(0);
    await expect.poll(() => queue.getJobCounts()).toMatchObject({ active: 0, waiting: 0, delayed: 0, failed: 0 });
  });

  test('three times over the same job does not strand the job', async () => {
    const { context, events, failed, buy } = await openWorld();
    const sale = await context.openSale();
    const job = await buy(sale, shoppers(2), 'job-unlucky');
    const completed = job.waitUntilFinished(events);
    for (let deaths = 0; deaths < 3; deaths += 1) {
      const letGo = await holdUpOrdersOf(context.db, sale, shoppers(2));
      const worker = await startWorker(context.env);
      await aLockIsWaitedFor(context.db);
      worker.kill('SIGKILL');
      await worker.exited;
      await letGo();
      // The lock of a dead worker's job is gone after 5 s; the test does not wait for that three times.
      await context.redis.del(`${context.keys.queuePrefix(0)}:${ORDERS_QUEUE}:job-unlucky:lock`);
      await context.redis.del(context.keys.sale(sale).lease);
    }

    await startWorker(context.env);
    await completed;

    expect(failed).toEqual([]);
    expect(await readLedger(context.db, sale)).toMatchObject({ sold: 2, orders: { length: 2 } });
  });
});

describe('a worker process that is asked to end', () => {
  test('finishes the transaction that is under way, sends the rest back and exits 0 within its grace time', async () => {
    const { context, queue, buy } = await openWorld({ ORDER_BATCH_MAX: '1' });
    const sale = await context.openSale();
    const letGo = await holdUpOrdersOf(context.db, sale, shoppers(3));
    const worker = await startWorker(context.env);
    await buy(sale, shoppers(3), 'job-interrupted');
    await aLockIsWaitedFor(context.db);

    worker.kill('SIGTERM');
    const asked_ms = performance.now();
    await letGo();

    expect(await worker.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - asked_ms).toBeLessThan(context.config.SHUTDOWN_GRACE_MS);
    // Nothing of the process is left that others would have to wait for.
    expect(await context.redis.exists(context.keys.sale(sale).lease)).toBe(0);
    const { orders } = await readLedger(context.db, sale);
    expect(orders).toHaveLength(1);
    expect(await context.commands.backlog(sale)).toBe(2);
    const job = await queue.getJob('job-interrupted');
    expect(await job?.getState()).toBe('delayed');
    expect(job).toMatchObject({ attemptsMade: 0 });
    expect(job?.failedReason).toBeUndefined();
  });

  test('twice, with nothing to do, exits 0 as well', async () => {
    const { context } = await openWorld();
    await context.openSale();
    const worker = await startWorker(context.env);

    worker.kill('SIGTERM');
    worker.kill('SIGINT');

    expect(await worker.exited).toEqual({ code: 0, signal: null });
  });
});

test('a worker process is ready while both servers answer, and counts what it writes', async () => {
  const { context, buy } = await openWorld();
  const sale = await context.openSale();
  const worker = await startWorker(context.env);
  const ops = (path: string) => fetch(`http://127.0.0.1:${worker.ops_port}${path}`);

  const ready = await ops('/readyz');
  expect(ready.status).toBe(200);
  expect(await ready.json()).toEqual({ status: 'ready', redis: true, mysql: true });

  await buy(sale, shoppers(2), 'job-counted');
  await expect
    .poll(async () => (await ops('/metrics')).text(), { timeout: 10_000 })
    .toMatch(/seckill_orders_written_total\{status="pending_payment",process="worker"\} 2/);
});

test('units of failed orders are on sale again while the worker runs: nothing leaks', async () => {
  const { context, buy } = await openWorld();
  const sale = await context.openSale({ seckill_stock: 3 });
  await refuseOrdersOf(context.db, 'unlucky');
  await startWorker(context.env);

  await buy(sale, [...shoppers(2), 'unlucky'], 'job-with-poison');

  await expect.poll(async () => (await context.commands.readSale(sale)).available, { timeout: 10_000 }).toBe(1);
  await expect.poll(async () => (await readLedger(context.db, sale)).returns).toMatchObject([{ applied: true }]);
  const { orders, sold } = await readLedger(context.db, sale);
  expect(sold).toBe(2);
  expect(orders.filter(({ status }) => status === 'failed')).toMatchObject([{ user_id: 'unlucky', reason: 'refused' }]);
});
