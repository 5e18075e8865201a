import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { connectDb } from '../../../src/platform/mysql/client.ts';
import { connectRedis } from '../../../src/platform/redis/client.ts';
import { createCommands } from '../../../src/commands.ts';
import { acquireLease, withStampedLease } from '../../../src/sale/lease.ts';
import { createMetrics } from '../../../src/platform/telemetry/metrics.ts';
import { testContext } from '../../../testing/support.ts';

const context = await testContext();

interface Readable {
  get(): Promise<{
    values: readonly { value: number; labels: Partial<Record<string, unknown>>; metricName?: string }[];
  }>;
}

/** The samples of a metric, `label text` → value. */
async function samplesOf(metric: Readable): Promise<Record<string, number>> {
  const { values } = await metric.get();
  return Object.fromEntries(values.map(({ labels, value }) => [Object.values(labels).join(' '), value]));
}

/** How many observations a histogram has, by label. */
async function countsOf(metric: Readable): Promise<Record<string, number>> {
  const values = (await metric.get()).values.filter(({ metricName }) => metricName?.endsWith('_count'));
  return Object.fromEntries(values.map(({ labels, value }) => [Object.values(labels).join(' '), value]));
}

test('a process serves its own metrics and the common ones', async () => {
  const [api, worker] = [
    await createMetrics('api').registry.metrics(),
    await createMetrics('worker').registry.metrics(),
  ];
  for (const text of [api, worker]) {
    expect(text).toContain('# TYPE seckill_leases_lost_total counter');
    expect(text).toContain('# TYPE nodejs_eventloop_lag_p99_seconds gauge');
  }
  expect(api).toContain('# TYPE seckill_requests_total counter');
  expect(worker).not.toContain('seckill_requests_total');
  expect(worker).toContain('# TYPE seckill_sale_available gauge');
  expect(api).not.toContain('seckill_sale_available');
});

test('a rare counter exists from the start, and a gauge without a reading does not', async () => {
  const text = await createMetrics('worker').registry.metrics();
  expect(text).toContain('seckill_fencing_refusals_total{at="mysql",process="worker"} 0');
  expect(text).not.toMatch(/^seckill_(sale|shard)_/m);
});

test('statements, failed ones, connections in use and waits for one are counted by pool', async () => {
  const metrics = createMetrics('worker');
  const db = connectDb({ ...context.config, DB_POOL_MAX: 1 }, 'lease', metrics);
  onTestFinished(() => db.destroy());
  expect(await samplesOf(metrics.mysqlPoolConnections)).toEqual({ 'lease in_use': 0, 'lease idle': 0 });

  await db.connection().execute(async (one) => {
    await sql`SELECT 1`.execute(one);
    expect(await samplesOf(metrics.mysqlPoolConnections)).toEqual({ 'lease in_use': 1, 'lease idle': 0 });
    const other = sql`SELECT 2`.execute(db);
    await expect.poll(() => samplesOf(metrics.mysqlPoolWaits)).toEqual({ lease: 1 });
    await expect(sql`SELECT nonsense`.execute(one)).rejects.toThrow('nonsense');
    return { other };
  });
  await expect.poll(() => countsOf(metrics.mysqlQuerySeconds)).toEqual({ lease: 2 });
  expect(await samplesOf(metrics.mysqlQueryErrors)).toEqual({ lease: 1 });
  expect(await samplesOf(metrics.mysqlPoolConnections)).toEqual({ 'lease in_use': 0, 'lease idle': 1 });
});

test('a connection that broke while it was in use is neither in use nor idle', async () => {
  const metrics = createMetrics('worker');
  const db = connectDb(context.config, 'general', metrics);
  onTestFinished(() => db.destroy());
  await expect(sql`KILL CONNECTION_ID()`.execute(db)).rejects.toThrow(/interrupted|killed|closed|lost/i);
  await expect.poll(() => samplesOf(metrics.mysqlPoolConnections)).toEqual({ 'general in_use': 0, 'general idle': 0 });
});

test('connections to Redis are counted while they work', async () => {
  const metrics = createMetrics('worker');
  const redis = connectRedis(context.config, 'background', metrics).on('error', () => undefined);
  onTestFinished(() => redis.disconnect());
  expect(await samplesOf(metrics.redisConnections)).toEqual({ background: 0 });
  await redis.ping();
  expect(await samplesOf(metrics.redisConnections)).toEqual({ background: 1 });
  redis.disconnect();
  await expect.poll(() => samplesOf(metrics.redisConnections)).toEqual({ background: 0 });
});

test('scripts are timed; failed ones, and those refused because of a lost lease, are counted', async () => {
  const metrics = createMetrics('worker');
  const redis = connectRedis(context.config, 'background');
  onTestFinished(() => redis.disconnect());
  const commands = createCommands(redis, context.keys, metrics);
  const sale = await context.openSale();
  expect(await commands.settle(sale, 'no lease', 1_000, [])).toBe(false);
  expect(await commands.giveBack(sale, 'no lease', [])).toBeUndefined();
  expect(await commands.nextBatches(sale, 'no lease', 1)).toBeUndefined();
  expect(await commands.beginRebuild(sale, 'no lease')).toBeUndefined();
  expect(await samplesOf(metrics.fencingRefusals)).toEqual({ redis: 4, mysql: 0 });

  const { lease } = context.keys.sale(sale);
  await redis.lpush(lease, 'not a lease');
  await expect(commands.renewLease(sale, 'mine', 1_000)).rejects.toThrow('WRONGTYPE');
  await redis.del(lease);
  expect(await samplesOf(metrics.redisScriptErrors)).toMatchObject({ renew_lease: 1, admit: 0 });
  expect(await countsOf(metrics.redisScriptSeconds)).toEqual({
    settle: 1,
    give_back: 1,
    next_batches: 1,
    begin_rebuild: 1,
  });
});

test('the wait for a lease is measured, and a refused fencing token counted', async () => {
  const metrics = createMetrics('worker');
  const { commands, db } = context;
  const sale = await context.openSale();
  const lease = (await acquireLease(commands, sale, 1_000, { metrics }))!;
  expect(await acquireLease(commands, sale, 20, { metrics })).toBeUndefined();
  await lease.release();
  expect(await countsOf(metrics.leaseWaitSeconds)).toEqual({ taken: 1, held_elsewhere: 1 });

  await db.updateTable('products').set({ fence: 1_000_000 }).where('id', '=', sale.id).execute();
  expect(await withStampedLease({ commands, db, metrics }, sale, 1_000, () => Promise.resolve('done'))).toBe('done');
  expect(await samplesOf(metrics.fencingRefusals)).toEqual({ redis: 0, mysql: 1 });
});
