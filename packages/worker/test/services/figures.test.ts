import { afterEach, expect, onTestFinished, test } from 'vitest';
import { connectDb } from '@flash-sale/shared/platform/mysql/client.ts';
import { openOrderQueues } from '@flash-sale/shared/admission/order-queues.ts';
import { connectRedis } from '@flash-sale/shared/platform/redis/client.ts';
import { createMetrics, type Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { SaleWriter } from '../../src/order-writer/sale-writer.ts';
import { figures } from '../../src/services/figures.ts';
import { SaleList } from '@flash-sale/shared/sale/sale-list.ts';
import { admitAll, shoppers, settleOrders } from '../shoppers.ts';

const GOING_ON = new AbortController().signal;
const HOUR_MS = 3_600_000;
const opened: TestContext[] = [];
afterEach(async () => {
  for (const context of opened.splice(0)) await context.close();
});

// A context for each test: a round works on every sale in it.
async function openFigures(options: { salesShownMax?: number; mysqlIsAway?: boolean } = {}) {
  const context = await openTestContext();
  opened.push(context);
  const { commands, db, keys, log } = context;
  const connection = connectRedis(context.config, 'producer');
  const queues = openOrderQueues({ connection, keys, log });
  onTestFinished(async () => {
    await queues.close();
    connection.disconnect();
  });
  await queues.of(0).waitUntilReady();
  const away = connectDb({ ...context.config, DB_PORT: 1 }, 'general');
  onTestFinished(() => away.destroy());
  const metrics = createMetrics('worker');
  const rounds = figures({
    commands,
    db: options.mysqlIsAway === true ? away : db,
    shard: 0,
    // Read again, as in a round two seconds later.
    sales: { current: () => new SaleList(db, log).of(0).current() },
    queue: queues.of,
    ...(options.salesShownMax && { salesShownMax: options.salesShownMax }),
    log,
    metrics,
  });
  return { context, metrics, round: () => rounds.round(GOING_ON), rest: () => rounds.rest!() };
}

const settle = (context: TestContext, sale: { id: number; shard: number }, orderNos: readonly string[]) =>
  settleOrders(
    new SaleWriter(
      {
        db: context.db,
        commands: context.commands,
        log: context.log,
        metrics: createMetrics('worker'),
        orderEvents: false,
        orderBatchMax: 500,
        paymentTimeoutMs: 900_000,
      },
      sale,
    ),
    orderNos,
  );

/** What is scraped of the figures of one sale. */
async function shown(metrics: Metrics, sale: { id: number }): Promise<Record<string, number>> {
  const text = await metrics.registry.metrics();
  const lines = text.matchAll(new RegExp(`^seckill_sale_(\\w+)\\{sale="${sale.id}",process="worker"\\} (.+)$`, 'gm'));
  return Object.fromEntries([...lines].map(([, name, value]) => [name, Number(value)]));
}

const valuesOf = async (gauge: { get(): Promise<{ values: { value: number }[] }> }): Promise<number[]> =>
  (await gauge.get()).values.map(({ value }) => value);

test('a sale is shown with the values of Redis and the ledger', async () => {
  const { context, metrics, round } = await openFigures();
  const sale = await context.openSale({ seckillStock: 10 });
  await settle(context, sale, await admitAll(context, sale, shoppers(4)));
  await admitAll(context, sale, ['waits-1', 'waits-2']);

  await round();

  const { oldest_reservation_seconds: oldestReservationSeconds, ...others } = await shown(metrics, sale);
  expect(others).toEqual({ units: 10, available: 4, held: 6, reservations: 2, sold: 4, open: 1, ready: 1 });
  expect(oldestReservationSeconds).toBeGreaterThanOrEqual(0);
  expect(await valuesOf(metrics.shardReservations)).toEqual([2]);
  expect(await valuesOf(metrics.shardLiveSales)).toEqual([1]);
  expect((await valuesOf(metrics.shardRedisUsedBytes))[0]).toBeGreaterThan(0);
  expect((await metrics.shardJobs.get()).values.map(({ labels }) => labels.state)).toEqual([
    'waiting',
    'active',
    'delayed',
    'failed',
  ]);
});

test('a reservation from the future, as a step back of Redis’s clock leaves it, grows old from when it is first seen', async () => {
  const { context, metrics, round } = await openFigures();
  const sale = await context.openSale();
  await context.redis.zadd(context.keys.outbox(0), Date.now() + HOUR_MS, sale.id);
  const ages = async () => {
    await round();
    const ofShard = (await valuesOf(metrics.shardOldestReservationSeconds))[0]!;
    return [ofShard, (await shown(metrics, sale))['oldest_reservation_seconds']!];
  };
  expect(await ages()).toEqual([0, 0]);
  const younger = async () => Math.min(...(await ages()));
  await expect.poll(younger).toBeGreaterThan(0.1);
  await context.redis.del(context.keys.outbox(0));
  expect(await ages()).toEqual([0, 0]);
});

test('the age of the oldest reservation is shown by sale and by shard', async () => {
  const { context, metrics, round } = await openFigures();
  const sale = await context.openSale();
  await admitAll(context, sale, ['patient'], 'patient');
  await context.redis.zincrby(context.keys.sale(sale).batchTimes, -60_000, 'patient');
  await context.commands.noteOldest(sale);

  await round();

  expect((await shown(metrics, sale))['oldest_reservation_seconds']).toBeGreaterThanOrEqual(60);
  expect((await valuesOf(metrics.shardOldestReservationSeconds))[0]).toBeGreaterThanOrEqual(60);
});

test('a sale that is not ready has no metrics that Redis cannot know', async () => {
  const { context, metrics, round } = await openFigures();
  const sale = await context.insertSale();
  await round();
  expect(await shown(metrics, sale)).toEqual({
    units: 10,
    reservations: 0,
    oldest_reservation_seconds: 0,
    sold: 0,
    open: 1,
    ready: 0,
  });
});

test('sales that ended long ago or start much later are not shown, unless they have a reservation', async () => {
  const { context, metrics, round } = await openFigures();
  const nowMs = Date.now();
  const over = await context.openSale({ startMs: nowMs - 2 * HOUR_MS, endMs: nowMs - HOUR_MS });
  const far = await context.openSale({ startMs: nowMs + HOUR_MS, endMs: nowMs + 2 * HOUR_MS });
  const late = await context.openSale();
  await admitAll(context, late, ['late']);
  await context.db
    .updateTable('products')
    .set({ start_time: new Date(nowMs - 2 * HOUR_MS), end_time: new Date(nowMs - HOUR_MS) })
    .where('id', '=', late.id)
    .execute();

  await round();

  expect(await shown(metrics, over)).toEqual({});
  expect(await shown(metrics, far)).toEqual({});
  expect(await shown(metrics, late)).toMatchObject({ reservations: 1, open: 0 });
});

test('the metrics of a sale are removed after its end', async () => {
  const { context, metrics, round } = await openFigures();
  const sale = await context.openSale();
  await round();
  expect(await shown(metrics, sale)).toMatchObject({ open: 1 });
  const past = new Date(Date.now() - HOUR_MS);
  await context.db.updateTable('products').set({ end_time: past }).where('id', '=', sale.id).execute();
  await round();
  expect(await shown(metrics, sale)).toEqual({});
});

test('never more than the maximum number of sales is shown, and all reservations count', async () => {
  const { context, metrics, round } = await openFigures({ salesShownMax: 1 });
  const nowMs = Date.now();
  const first = await context.openSale({ startMs: nowMs - 60_000 });
  const last = await context.openSale({ startMs: nowMs - 1_000 });
  await admitAll(context, first, ['one']);
  await admitAll(context, last, ['two']);
  await round();
  expect(await shown(metrics, first)).toEqual({});
  expect(await shown(metrics, last)).toMatchObject({ reservations: 1 });
  expect(await valuesOf(metrics.shardLiveSales)).toEqual([2]);
  expect(await valuesOf(metrics.shardReservations)).toEqual([2]);
});

test('of sales with the same start the newest are shown, and the sums of the shard cover all', async () => {
  const { context, metrics, round } = await openFigures({ salesShownMax: 2 });
  const times = { startMs: Date.now() - 60_000 };
  const sales = [];
  for (let i = 0; i < 5; i += 1) sales.push(await context.openSale({ ...times, seckillStock: 10 }));
  await settle(context, sales[0]!, await admitAll(context, sales[0]!, shoppers(3)));
  await context.insertSale(times);
  await round();
  // The one that is not loaded is the newest of all.
  for (const sale of sales.slice(0, 4)) expect(await shown(metrics, sale)).toEqual({});
  expect(await shown(metrics, sales[4]!)).toMatchObject({ units: 10 });
  const { shardLiveSales, shardShownSales, shardUnreadySales, shardUnits } = metrics;
  const { shardAvailable, shardHeld, shardSold } = metrics;
  const gauges = {
    shard_live_sales: shardLiveSales,
    shard_shown_sales: shardShownSales,
    shard_unready_sales: shardUnreadySales,
    shard_units: shardUnits,
  };
  const sums = await Promise.all(
    Object.values({ ...gauges, shard_available: shardAvailable, shard_held: shardHeld, shard_sold: shardSold }).map(
      valuesOf,
    ),
  );
  expect(sums.flat()).toEqual([6, 2, 1, 60, 47, 3, 3]);
});

test('while MySQL is down the metrics from Redis are still shown', async () => {
  const { context, metrics, round } = await openFigures({ mysqlIsAway: true });
  const sale = await context.openSale();
  await round();
  const figuresShown = await shown(metrics, sale);
  expect(figuresShown).toMatchObject({ available: 10, ready: 1 });
  expect(figuresShown).not.toHaveProperty('sold');
});

test('a worker that does not lead any more shows nothing', async () => {
  const { context, metrics, round, rest } = await openFigures();
  const sale = await context.openSale();
  await round();
  rest();
  expect(await shown(metrics, sale)).toEqual({});
  const text = await metrics.registry.metrics();
  expect(text).not.toMatch(/^seckill_(sale|shard)_/m);
});
