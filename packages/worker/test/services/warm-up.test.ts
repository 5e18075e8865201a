import { sql } from 'kysely';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { updatePaused } from '@flash-sale/shared/sale/products-table.ts';
import type { Sale, SaleRef } from '@flash-sale/shared/sale/sale.ts';
import { topUpSale } from '@flash-sale/shared/reconciliation/change.ts';
import { acquireLease } from '@flash-sale/shared/sale/lease.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { SaleWriter } from '../../src/order-writer/sale-writer.ts';
import { SaleList } from '@flash-sale/shared/sale/sale-list.ts';
import { warmUp } from '../../src/services/warm-up.ts';
import { readLedger } from '../ledger.ts';
import { startPrivateRedis } from '@flash-sale/shared/testing/private-redis.ts';
import { admitAll, shoppers, settleOrders } from '../shoppers.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';

const GOING_ON = new AbortController().signal;

// A context for each test: a round works on every sale in it.
async function openWarmUp(env: Readonly<Record<string, string>> = {}) {
  const context = await openTestContext(env);
  onTestFinished(() => context.close());
  // Where a test kills Redis, only what comes of it matters.
  context.redis.on('error', () => undefined);
  const { commands, db, log } = context;
  const metrics = createMetrics('worker');
  return {
    context,
    metrics,
    /** A round that reads the sales again, as one a quarter of a second later does. */
    round: () => warmUp({ shard: 0, commands, db, sales: new SaleList(db, log), log, metrics }).round(GOING_ON),
    rebuilds: async (): Promise<number> => (await metrics.rebuilds.get()).values[0]!.value,
  };
}

test('a sale that Redis does not have is loaded before it opens', async () => {
  const { context, round } = await openWarmUp();
  const sale = await context.insertSale({ seckillStock: 7, startMs: Date.now() + 60_000 });
  expect((await context.commands.readSale(sale)).ready).toBe(false);

  await round();

  expect(await context.commands.readSale(sale)).toMatchObject({ ready: true, available: 7, version: 1 });
});

test('a sale that was inserted into MySQL by hand is loaded too', async () => {
  const { context, round } = await openWarmUp();
  await sql`
    INSERT INTO products (shard, name, price_cents, stock, seckill_stock, start_time, end_time, created_at)
    VALUES (0, 'by hand', 500, 9, 9, UTC_TIMESTAMP() - INTERVAL 1 MINUTE, UTC_TIMESTAMP() + INTERVAL 1 HOUR, UTC_TIMESTAMP())
  `.execute(context.db);
  const { id } = await context.db.selectFrom('products').select('id').executeTakeFirstOrThrow();

  await round();

  expect(await context.commands.readSale({ shard: 0, id })).toMatchObject({ ready: true, available: 9 });
  await admitAll(context, { shard: 0, id }, shoppers(9));
});

test('a pause is set without a rebuild if the api process committed it and crashed before it could set it in Redis', async () => {
  const { context, round, rebuilds } = await openWarmUp();
  const sale = await context.openSale();
  await updatePaused(context.db, sale.id, true);
  expect(await context.commands.readSale(sale)).toMatchObject({ paused: false });

  await round();

  expect(await context.commands.readSale(sale)).toMatchObject({ ready: true, paused: true });
  expect(await rebuilds()).toBe(0);
});

test('a sale with an overwritten key is left alone for seconds, and no other sale is kept waiting', async () => {
  const { context } = await openWarmUp();
  const { commands, db } = context;
  const [broken, other] = [await context.insertSale(), await context.insertSale()];
  const key = context.keys.sale(broken).state;
  await context.redis.set(key, 'x');
  const said: unknown[] = [];
  const log = pino({ level: 'warn' }, { write: (line) => void said.push(JSON.parse(line)) });
  const sales = { current: () => new SaleList(db, log).current() };
  const service = warmUp({ shard: 0, commands, db, sales, log, metrics: createMetrics('worker') });
  for (let rounds = 0; rounds < 5; rounds += 1) await service.round(GOING_ON);

  expect((await commands.readSale(other)).ready).toBe(true);
  const reason = `WRONGTYPE: "${key}" is a string and must be a hash`;
  expect(said.slice(0, 1)).toMatchObject([{ sale: broken.id, err: { message: reason } }]);
  expect(said.length).toBeLessThan(4);
});

test('a ready and unchanged sale is not changed', async () => {
  const { context, round, rebuilds } = await openWarmUp();
  const sale = await context.openSale();
  const counter = await context.redis.get(context.keys.sale(sale).fence);

  await round();

  expect(await rebuilds()).toBe(0);
  expect(await context.redis.get(context.keys.sale(sale).fence)).toBe(counter);
});

test('a sale that was raised after the round read its row is not changed: it was once stopped and rebuilt for each top-up', async () => {
  const { context, rebuilds, metrics } = await openWarmUp();
  const { commands, db, log } = context;
  const sale = await context.openSale({ seckillStock: 10 });
  // The list of a long round, read before the top-up.
  const sales = { current: () => Promise.resolve([sale]) };
  await topUpSale(context, sale, { seckillStock: 20 }, { waitMs: 5_000 });
  const before = await context.redis.hgetall(context.keys.sale(sale).state);

  await warmUp({ shard: 0, commands, db, sales, log, metrics }).round(GOING_ON);

  expect(await rebuilds()).toBe(0);
  expect(await context.redis.hgetall(context.keys.sale(sale).state)).toEqual(before);
});

test('a changed product is rebuilt with the sold units', async () => {
  const { context, round } = await openWarmUp();
  const sale = await context.openSale({ seckillStock: 10 });
  await admitAll(context, sale, shoppers(4));
  await context.db.updateTable('products').set({ seckill_stock: 20, version: 2 }).where('id', '=', sale.id).execute();

  await round();

  expect(await context.commands.readSale(sale)).toMatchObject({ ready: true, version: 2, available: 16 });
  expect(await context.redis.hlen(context.keys.sale(sale).owners)).toBe(4);
});

test('a sale whose lease another process holds does not delay the loading of others', async () => {
  const { context, round } = await openWarmUp();
  const held = await context.insertSale();
  const lease = (await acquireLease(context.commands, held, 1_000))!;
  onTestFinished(() => lease.release());
  const free = await context.insertSale();

  const rounding = round();

  const isReady = async (sale: SaleRef): Promise<boolean> => (await context.commands.readSale(sale)).ready;
  await expect.poll(() => isReady(free), SOON).toBe(true);
  expect(await isReady(held)).toBe(false);
  // The same round still waits for the lease.
  await lease.release();
  await rounding;
  expect(await isReady(held)).toBe(true);
});

describe('in another history of Redis', () => {
  test('a sale is not ready after a kill until it is rebuilt; then owners, reservations and units are as before', async () => {
    const redis = await startPrivateRedis();
    const { context, round } = await openWarmUp(redis.env);
    const { commands, db, log } = context;
    const sale = await context.openSale({ seckillStock: 10 });
    const written = await admitAll(context, sale, shoppers(2, 'written'));
    const deps = {
      db,
      commands,
      log,
      metrics: createMetrics('worker'),
      orderBatchMax: 500,
      paymentTimeoutMs: 900_000,
      orderEvents: false,
    };
    await settleOrders(new SaleWriter(deps, sale), written);
    const waiting = await admitAll(context, sale, shoppers(3, 'waiting'));

    await redis.kill();
    await redis.restart();
    expect((await commands.readSale(sale)).ready).toBe(false);
    await round();

    expect(await commands.readSale(sale)).toMatchObject({ ready: true, available: 5 });
    expect(Object.values(await context.redis.hgetall(context.keys.sale(sale).owners)).toSorted()).toEqual(
      [...written, ...waiting].toSorted(),
    );
    await settleOrders(new SaleWriter(deps, sale), waiting);
    expect(await readLedger(db, sale)).toMatchObject({ sold: 5, returns: [] });
  });

  test('an emptied Redis is loaded from the ledger: written orders own units, the rest is available, nothing is sold twice', async () => {
    const redis = await startPrivateRedis();
    const { context, round } = await openWarmUp(redis.env);
    const { commands, db, log } = context;
    const sale = await context.openSale({ seckillStock: 10 });
    const written = await admitAll(context, sale, shoppers(4, 'written'));
    const deps = {
      db,
      commands,
      log,
      metrics: createMetrics('worker'),
      orderBatchMax: 500,
      paymentTimeoutMs: 900_000,
      orderEvents: false,
    };
    await settleOrders(new SaleWriter(deps, sale), written);
    const lost = await admitAll(context, sale, shoppers(2, 'lost'));

    await context.redis.flushall();
    await round();

    expect(await commands.readSale(sale)).toMatchObject({ ready: true, available: 6 });
    // The counter of fencing tokens was lost with the rest; writing goes on above the ledger's.
    const sold = await admitAll(context, sale, shoppers(6, 'later'));
    await settleOrders(new SaleWriter(deps, sale), [...lost, ...sold]);
    expect(await readLedger(db, sale)).toMatchObject({ sold: 10, orders: { length: 10 }, returns: [] });
    expect((await commands.readSale(sale)).available).toBe(0);
  });
});

describe('with sales that were seen to be loaded', () => {
  async function openKept(sales: number) {
    const { context } = await openWarmUp();
    const { commands, db, log } = context;
    const kept = await Promise.all(Array.from({ length: sales }, () => context.openSale()));
    const rounds = warmUp({
      shard: 0,
      commands,
      db,
      sales: { current: () => new SaleList(db, log).current() },
      log,
      metrics: createMetrics('worker'),
    });
    const readSale = vi.spyOn(commands, 'readSale');
    const round = async (): Promise<number> => {
      readSale.mockClear();
      await rounds.round(GOING_ON);
      return readSale.mock.calls.length;
    };
    expect(await round()).toBe(sales);
    return { context, kept, round };
  }

  test('a round checks at most one of them', async () => {
    const { round } = await openKept(30);
    for (let i = 0; i < 5; i += 1) expect(await round()).toBeLessThanOrEqual(1);
  });

  test('the slow check reaches each of them in time', async () => {
    const { context, kept, round } = await openKept(5);
    await context.redis.del(context.keys.sale(kept[3]!).state);
    for (let i = 0; i < 2 * 5; i += 1) await round();
    expect((await context.commands.readSale(kept[3]!)).ready).toBe(true);
  });

  test.each<[string, (context: TestContext, sale: Sale) => Promise<unknown>]>([
    [
      'a change that died before it was done',
      async ({ commands }, sale) => {
        const lease = (await acquireLease(commands, sale, 1_000))!;
        await commands.beginChange(sale, lease.text);
        await lease.release();
      },
    ],
    [
      'a change of its row',
      ({ db }, sale) => db.updateTable('products').set({ version: 2 }).where('id', '=', sale.id).execute(),
    ],
  ])('%s is seen in the next round', async (_what, change) => {
    const { context, kept, round } = await openKept(30);
    await change(context, kept[17]!);
    expect(await round()).toBeLessThanOrEqual(3);
    expect(await context.commands.readSale(kept[17]!)).toMatchObject({ ready: true });
  });

  test('a pause and a new sale are seen in the next round', async () => {
    const { context, kept, round } = await openKept(30);
    await updatePaused(context.db, kept[17]!.id, true);
    const added = await context.insertSale();
    await round();
    expect(await context.commands.readSale(kept[17]!)).toMatchObject({ paused: true });
    expect(await context.commands.readSale(added)).toMatchObject({ ready: true });
  });

  test('all of them are loaded again in the next round after Redis was emptied', async () => {
    const redis = await startPrivateRedis();
    const context = await openTestContext(redis.env);
    onTestFinished(() => context.close());
    const { commands, db, log } = context;
    const kept = await Promise.all(Array.from({ length: 30 }, () => context.openSale()));
    const rounds = warmUp({
      shard: 0,
      commands,
      db,
      sales: new SaleList(db, log),
      log,
      metrics: createMetrics('worker'),
    });
    await rounds.round(GOING_ON);
    await context.redis.flushall();
    await rounds.round(GOING_ON);
    for (const sale of kept) expect((await commands.readSale(sale)).ready).toBe(true);
  });
});
