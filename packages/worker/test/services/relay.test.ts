import { Queue } from 'bullmq';
import { expect, onTestFinished, test } from 'vitest';
import { connectDb } from '@flash-sale/shared/platform/mysql/client.ts';
import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import {
  ORDERS_QUEUE,
  WRITE_ORDERS,
  writeOrders,
  type WriteOrdersJob,
} from '@flash-sale/shared/admission/order-jobs.ts';
import { connectRedis } from '@flash-sale/shared/platform/redis/client.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { openTestContext } from '@flash-sale/shared/testing/support.ts';
import { OrderWriter } from '../../src/order-writer/order-writer.ts';
import { orderConsumers } from '../../src/services/order-consumers.ts';
import { Progress } from '../../src/services/progress.ts';
import { relay } from '../../src/services/relay.ts';
import { repeating } from '@flash-sale/shared/platform/process/service.ts';
import { readLedger } from '../ledger.ts';
import { admitAll, shoppers } from '../shoppers.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';

const GOING_ON = new AbortController().signal;

// A context for each test: a round works on every sale in it.
async function openRelay() {
  const context = await openTestContext();
  const connection = connectRedis(context.config, 'producer');
  const queue = new Queue<WriteOrdersJob>(ORDERS_QUEUE, { connection, prefix: context.keys.queuePrefix(0) });
  onTestFinished(async () => {
    await queue.close();
    connection.disconnect();
    await context.close();
  });
  const metrics = createMetrics('worker');
  const { commands, log, redis, keys } = context;
  return {
    context,
    queue,
    rounds: relay({ commands, shard: 0, queue: () => queue, log, metrics }),
    relayed: async (): Promise<number> => (await metrics.jobsRelayed.get()).values[0]!.value,
    /** Makes batches older, as if they had waited for `ageMs` more. */
    age: async (sale: SaleRef, batchNos: readonly string[], ageMs: number): Promise<void> => {
      for (const batchNo of batchNos) await redis.zincrby(keys.sale(sale).batchTimes, -ageMs, batchNo);
      await commands.noteOldest(sale);
    },
  };
}

test('a batch whose job was never added is written within seconds', async () => {
  const { context, rounds } = await openRelay();
  const { commands, log, db, keys, config } = context;
  const sale = await context.openSale();
  const ledger = connectDb(config, 'lease');
  const services = [
    repeating(rounds, log),
    orderConsumers({
      db,
      keys,
      writer: new OrderWriter({
        db: ledger,
        commands,
        log,
        metrics: createMetrics('worker'),
        orderBatchMax: 500,
        paymentTimeoutMs: 900_000,
        orderEvents: false,
      }),
      connect: () => connectRedis(config, 'blocking'),
      concurrency: 16,
      progress: new Progress(60_000),
      log,
      metrics: createMetrics('worker'),
    }),
  ];
  onTestFinished(async () => {
    await Promise.all(services.map((service) => service.stop()));
    await ledger.destroy();
  });
  for (const service of services) service.start();

  await admitAll(context, sale, shoppers(3));

  await expect.poll(async () => (await readLedger(db, sale)).sold, SOON).toBe(3);
  await expect.poll(() => commands.backlog(sale), SOON).toBe(0);
});

test('a lost job is added again under the number of its batch', async () => {
  const { context, queue, rounds, relayed, age } = await openRelay();
  const sale = await context.openSale();
  await admitAll(context, sale, shoppers(2, 'one'), 'job-one');
  await admitAll(context, sale, shoppers(3, 'two'), 'job-two');
  await age(sale, ['job-one', 'job-two'], 5_000);

  await rounds.round(GOING_ON);

  const jobs = await queue.getWaiting();
  const batchOf = Object.fromEntries(jobs.map(({ id, data }) => [id, data.batches[0]!.batch_no]));
  expect(batchOf).toEqual({ 'job-one': 'job-one', 'job-two': 'job-two' });
  expect(jobs[0]).toMatchObject({
    name: WRITE_ORDERS,
    data: { shard: 0, batches: [{ sale_id: sale.id }] },
    opts: { removeOnComplete: true, removeOnFail: true },
  });
  expect(await relayed()).toBe(2);
});

test('an existing job is not duplicated, in any state', async () => {
  const { context, queue, rounds, age } = await openRelay();
  const sale = await context.openSale();
  await admitAll(context, sale, ['waiting'], 'job-waiting');
  await admitAll(context, sale, ['delayed'], 'job-delayed');
  const add = (jobId: string, delay?: number) => {
    const { name, data, opts } = writeOrders(sale, jobId);
    return queue.add(name, data, { ...opts, ...(delay === undefined ? {} : { delay }) });
  };
  await add('job-waiting');
  await add('job-delayed', 60_000);
  await age(sale, ['job-waiting', 'job-delayed'], 5_000);

  await rounds.round(GOING_ON);
  await rounds.round(GOING_ON);

  expect(await queue.getJobCounts()).toMatchObject({ waiting: 1, delayed: 1, active: 0 });
});

test('new batches are left to their jobs', async () => {
  const { context, queue, rounds, relayed } = await openRelay();
  const sale = await context.openSale();
  await admitAll(context, sale, shoppers(3));

  await rounds.round(GOING_ON);

  expect(await queue.getJobCountByTypes('waiting', 'delayed', 'active')).toBe(0);
  expect(await relayed()).toBe(0);
});

test('a batch from the future, as after a step back of Redis’s clock, is relayed at once; one that is slightly ahead is not', async () => {
  const { context, queue, rounds, relayed, age } = await openRelay();
  const [behind, moment] = [await context.openSale(), await context.openSale()];
  await admitAll(context, behind, shoppers(2, 'lost'), 'job-lost');
  await age(behind, ['job-lost'], -30_000);
  // Sold after the step: the sale's oldest is of before.
  await admitAll(context, behind, shoppers(2, 'fresh'), 'job-fresh');
  await admitAll(context, moment, ['a'], 'job-moment');
  await age(moment, ['job-moment'], -500);

  await rounds.round(GOING_ON);

  const jobs = await queue.getWaiting();
  expect(jobs.map(({ id }) => id)).toEqual(['job-lost']);
  expect(await relayed()).toBe(1);
});
