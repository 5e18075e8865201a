import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { connectDb } from '@flash-sale/shared/platform/mysql/client.ts';
import { stampFence } from '@flash-sale/shared/sale/products-table.ts';
import type { Sale, SaleRef } from '@flash-sale/shared/sale/sale.ts';
import { connectRedis } from '@flash-sale/shared/platform/redis/client.ts';
import { createCommands } from '@flash-sale/shared/commands.ts';
import { acquireLease, LeaseLost } from '@flash-sale/shared/sale/lease.ts';
import { createMetrics, type Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { NotNow, SaleWriter, type SaleWriterDeps } from '../../src/order-writer/sale-writer.ts';
import { aLockIsWaitedFor, lockSaleRow, readLedger, refuseOrdersOf } from '../ledger.ts';
import { openMysqlProxy } from '../mysql-proxy.ts';
import { admitAll, shoppers, settleOrders } from '../shoppers.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import { findOrder } from '@flash-sale/shared/order/orders-table.ts';
import { batchNoOf } from '@flash-sale/shared/order/order-number.ts';

let context: TestContext;
beforeAll(async () => {
  context = await openTestContext();
});
afterAll(() => context.close());

/**
 * What a worker process brings to its writers: connections and metrics of its own. `server` is
 * where its ledger is.
 */
function openProcess(
  orderBatchMax = 500,
  server: { host: string; port: number } = { host: context.config.DB_HOST, port: context.config.DB_PORT },
): SaleWriterDeps {
  const db = connectDb({ ...context.config, DB_HOST: server.host, DB_PORT: server.port }, 'ledger');
  const redis = connectRedis(context.config, 'background');
  onTestFinished(async () => {
    await db.destroy();
    redis.disconnect();
  });
  const commands = createCommands(redis, context.keys);
  return {
    db,
    commands,
    log: context.log,
    metrics: createMetrics('worker'),
    orderBatchMax,
    paymentTimeoutMs: 900_000,
    orderEvents: false,
  };
}

const openMysql = () => openMysqlProxy({ host: context.config.DB_HOST, port: context.config.DB_PORT });

async function transactionsOf(metrics: Metrics): Promise<number> {
  const { values } = await metrics.writeBatch.get();
  return values.find(({ metricName }) => metricName === 'seckill_write_batch_size_count')?.value ?? 0;
}

const leasesLost = async (metrics: Metrics): Promise<number> => (await metrics.leasesLost.get()).values[0]!.value;

/** The last fencing token that Redis gave out. */
const fenceCounter = (sale: SaleRef): Promise<string | null> => context.redis.get(context.keys.sale(sale).fence);

/** Takes the lease as another process does; it is renewed until the test lets it go. */
async function holdLease(sale: SaleRef) {
  const lease = (await acquireLease(context.commands, sale, 5_000))!;
  onTestFinished(() => lease.release());
  return lease;
}

/** Runs a job as the queue does: one that says NotNow comes back. */
async function settleInTheEnd(writer: SaleWriter, orderNos: readonly string[]): Promise<void> {
  for (;;) {
    try {
      await settleOrders(writer, orderNos);
      return;
    } catch (error) {
      if (!(error instanceof NotNow)) throw error;
    }
  }
}

function inJobsOf(size: number, orderNos: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(orderNos.length / size) }, (_, i) => orderNos.slice(i * size, (i + 1) * size));
}

/** What became of a sale's orders: in the ledger, and still waiting for it. */
async function outcomeOf(sale: Sale) {
  const { orders, sold, returns } = await readLedger(context.db, sale);
  return {
    written: orders.map(({ order_no: orderNo }) => orderNo),
    statuses: [...new Set(orders.map(({ status }) => status))],
    sold,
    returns,
    waiting: await context.commands.backlog(sale),
  };
}

/** The outcome where each of these orders was written exactly once and settled. */
const onceEach = (orderNos: readonly string[]) => ({
  written: orderNos.toSorted(),
  statuses: ['pending_payment'],
  sold: orderNos.length,
  returns: [],
  waiting: 0,
});

describe('a job', () => {
  test('completes when its orders are in the ledger, its batch out of the outbox and its pollers notified', async () => {
    const sale = await context.openSale();
    const orderNos = await admitAll(context, sale, shoppers(3));
    const listener = connectRedis(context.config, 'blocking');
    onTestFinished(() => listener.disconnect());
    const published: string[] = [];
    listener.on('message', (_channel, message) => published.push(...message.split(' ')));
    await listener.subscribe(context.keys.sale(sale).settled);

    await settleOrders(new SaleWriter(openProcess(), sale), orderNos);

    expect(await outcomeOf(sale)).toEqual(onceEach(orderNos));
    expect(await context.commands.allReservations(sale)).toEqual([]);
    const { settled } = await context.commands.readOrder(sale, orderNos[0]!);
    expect(settled).toEqual(await findOrder(context.db, orderNos[0]!));
    await expect.poll(() => published, SOON).toEqual([batchNoOf(orderNos[0]!)]);
    // No process must wait until the lease expires.
    expect(await context.redis.exists(context.keys.sale(sale).lease)).toBe(0);
  });

  test('of a settled batch completes without taking the lease', async () => {
    const sale = await context.openSale();
    const orderNos = await admitAll(context, sale, shoppers(2));
    const deps = openProcess();
    await settleOrders(new SaleWriter(deps, sale), orderNos);
    const before = await fenceCounter(sale);

    await settleOrders(new SaleWriter(deps, sale), orderNos);

    expect(await fenceCounter(sale)).toBe(before);
    expect(await transactionsOf(deps.metrics)).toBe(1);
  });

  test('of orders without reservations completes and writes nothing: no reservation, no write', async () => {
    const sale = await context.openSale();
    const deps = openProcess();

    await settleOrders(new SaleWriter(deps, sale), ['01KARYB6S5Q0H9M3T7ZV5W8XCE4K7N9B-0-1']);

    expect(await readLedger(context.db, sale)).toMatchObject({ sold: 0, orders: [] });
    expect(await transactionsOf(deps.metrics)).toBe(0);
  });

  test('that is delivered twice at once writes each order once', async () => {
    const sale = await context.openSale();
    const orderNos = await admitAll(context, sale, shoppers(5));
    const writer = new SaleWriter(openProcess(), sale);

    await Promise.all([
      settleOrders(writer, orderNos),
      settleOrders(writer, orderNos),
      settleOrders(writer, orderNos.slice(2)),
    ]);

    expect(await outcomeOf(sale)).toEqual(onceEach(orderNos));
  });

  test('returns NotNow if another process holds the lease, and nothing is written', async () => {
    const sale = await context.openSale();
    const orderNos = await admitAll(context, sale, shoppers(1));
    await holdLease(sale);

    await expect(settleOrders(new SaleWriter(openProcess(), sale), orderNos)).rejects.toThrow(NotNow);

    expect(await readLedger(context.db, sale)).toMatchObject({ orders: [] });
    expect(await context.commands.backlog(sale)).toBe(1);
  });
});

describe('group commit', () => {
  test('the jobs of one process share their transactions', async () => {
    const sale = await context.openSale({ seckillStock: 600 });
    const orderNos = await admitAll(context, sale, shoppers(600));
    const deps = openProcess(500);
    const writer = new SaleWriter(deps, sale);

    await Promise.all(inJobsOf(5, orderNos).map((job) => settleOrders(writer, job)));

    expect(await outcomeOf(sale)).toEqual(onceEach(orderNos));
    expect(await transactionsOf(deps.metrics)).toBe(2);
  });

  test('orders that arrive one after another are written a few at a time', async () => {
    const sale = await context.openSale({ seckillStock: 60 });
    const deps = openProcess();
    const writer = new SaleWriter(deps, sale);
    const jobs: Promise<void>[] = [];
    const begunMs = performance.now();
    for (const shopper of shoppers(60)) {
      const [orderNo] = await admitAll(context, sale, [shopper]);
      jobs.push(settleOrders(writer, [orderNo!]));
    }
    await Promise.all(jobs);
    const tookMs = performance.now() - begunMs;

    // One for each 25 ms, the first one, and one that finds no job waiting.
    expect(await transactionsOf(deps.metrics)).toBeLessThanOrEqual(tookMs / 25 + 2);
  });

  test('the batch that is read during the write of another neither repeats an order nor misses one', async () => {
    const sale = await context.openSale({ seckillStock: 95 });
    const orderNos = await admitAll(context, sale, shoppers(95));
    const deps = openProcess(10);

    await settleOrders(new SaleWriter(deps, sale), orderNos);

    expect(await outcomeOf(sale)).toEqual(onceEach(orderNos));
    expect(await transactionsOf(deps.metrics)).toBe(10);
  });

  test('the holder writes the reservations of other processes too, whose jobs then complete without a lease', async () => {
    const sale = await context.openSale({ seckillStock: 50 });
    const mine = await admitAll(context, sale, shoppers(20, 'mine'));
    const theirs = await admitAll(context, sale, shoppers(20, 'theirs'));
    await settleOrders(new SaleWriter(openProcess(), sale), mine);
    const counter = await fenceCounter(sale);

    await settleOrders(new SaleWriter(openProcess(), sale), theirs);

    expect(await outcomeOf(sale)).toEqual(onceEach([...mine, ...theirs]));
    expect(await fenceCounter(sale)).toBe(counter);
  });

  test('two processes on one hot sale write every order exactly once, and every job completes', async () => {
    const sale = await context.openSale({ seckillStock: 2_000 });
    const orderNos = await admitAll(context, sale, shoppers(2_000));
    const processes = [openProcess(20), openProcess(20)];
    const writers = processes.map((deps) => new SaleWriter(deps, sale));

    await Promise.all(inJobsOf(50, orderNos).map((job, i) => settleInTheEnd(writers[i % 2]!, job)));

    expect(await outcomeOf(sale)).toEqual(onceEach(orderNos));
  });
});

test('an order that MySQL rejects even as a failed one delays no other; its job ends with the reason, and it is written when that is possible', async () => {
  const sale = await context.openSale({ seckillStock: 100 });
  const [poison] = await admitAll(context, sale, ['poison']);
  const others = await admitAll(context, sale, shoppers(20));
  const relent = await refuseOrdersOf(context.db, 'poison', true);
  // Batches that the stuck order, the oldest, would fill after a few rounds if it were read each
  // time in place of another.
  const writer = new SaleWriter(openProcess(2), sale);

  const jobs = await Promise.allSettled([settleOrders(writer, [poison!]), settleOrders(writer, others)]);

  expect(jobs).toMatchObject([
    { status: 'rejected', reason: { message: 'refused by the test' } },
    { status: 'fulfilled' },
  ]);
  expect(await outcomeOf(sale)).toMatchObject({ written: others.toSorted(), sold: 20, waiting: 1 });

  await relent();
  await settleOrders(writer, [poison!]);
  expect(await outcomeOf(sale)).toEqual(onceEach([poison!, ...others]));
});

test('a lease whose holder fails before it writes is released, and not renewed without end', async () => {
  const sale = await context.openSale();
  const orderNos = await admitAll(context, sale, shoppers(1));
  const deps = openProcess();
  let calls = 0;
  const commands: typeof deps.commands = {
    ...deps.commands,
    // The first call is made before the lease is taken, the second one under it.
    whichWait: (...args) =>
      (calls += 1) === 1 ? deps.commands.whichWait(...args) : Promise.reject(new Error('Redis is away')),
  };

  await expect(settleOrders(new SaleWriter({ ...deps, commands }, sale), orderNos)).rejects.toThrow('Redis is away');

  expect(await context.redis.exists(context.keys.sale(sale).lease)).toBe(0);
});

test('an inconsistent index of batches fails the jobs instead of causing an endless loop', async () => {
  const sale = await context.openSale();
  const orderNos = await admitAll(context, sale, shoppers(3));
  await context.redis.del(context.keys.sale(sale).batches);

  await expect(settleOrders(new SaleWriter(openProcess(), sale), orderNos)).rejects.toThrow(
    'index of the batches is inconsistent',
  );
});

describe('the fencing token', () => {
  test('is taken again above the ledger’s if Redis has lost its counter', async () => {
    const sale = await context.openSale();
    const orderNos = await admitAll(context, sale, shoppers(3));
    // Far ahead, so that asking for one token after the other would take all day.
    await stampFence(context.db, sale.id, 1_000_000);
    await context.redis.del(context.keys.sale(sale).fence);

    await settleOrders(new SaleWriter(openProcess(), sale), orderNos);

    expect(await outcomeOf(sale)).toEqual(onceEach(orderNos));
    expect((await readLedger(context.db, sale)).fence).toBe(1_000_001);
    expect(await fenceCounter(sale)).toBe('1000001');
  });

  test('a holder that lost its lease between COMMIT and settle settles nothing; the next one does, and writes nothing', async () => {
    const sale = await context.openSale();
    const orderNos = await admitAll(context, sale, shoppers(3));
    const mysql = await openMysql();
    const sleeper = openProcess(500, mysql);
    const reply = mysql.holdNextCommitReply();
    const slept = settleOrders(new SaleWriter(sleeper, sale), orderNos);
    slept.catch(() => undefined);
    await reply.committed;
    await context.redis.del(context.keys.sale(sale).lease);
    const next = await holdLease(sale);

    reply.release();
    await expect(slept).rejects.toThrow(LeaseLost);

    expect(await leasesLost(sleeper.metrics)).toBe(1);
    expect(await context.commands.backlog(sale)).toBe(3);
    expect(await context.commands.readOrder(sale, orderNos[0]!)).toMatchObject({ settled: undefined });
    // The other holder's lease was not ended by the loser.
    expect(await context.redis.get(context.keys.sale(sale).lease)).toBe(next.text);

    await next.release();
    await settleOrders(new SaleWriter(openProcess(), sale), orderNos);
    expect(await outcomeOf(sale)).toEqual(onceEach(orderNos));
  });

  test('a holder that wakes up before its transaction, after another took and stamped the lease, writes nothing', async () => {
    const sale = await context.openSale();
    const orderNos = await admitAll(context, sale, shoppers(2));
    const lock = await lockSaleRow(context.config, sale);
    const slept = settleOrders(new SaleWriter(openProcess(), sale), orderNos);
    slept.catch(() => undefined);
    await aLockIsWaitedFor(context.db);
    await context.redis.del(context.keys.sale(sale).lease);
    const next = await holdLease(sale);
    // The other one's stamp, in the transaction that holds the row.
    await lock.stamp(next.fencingToken);

    await lock.release();

    await expect(slept).rejects.toThrow(NotNow);
    expect(await readLedger(context.db, sale)).toMatchObject({ orders: [], sold: 0, fence: next.fencingToken });
  });
});

describe('a lost connection', () => {
  test.each(['lose_request', 'lose_reply'] as const)(
    'at the first COMMIT of a holder (%s) leaves each order written exactly once and settled',
    async (fault) => {
      const sale = await context.openSale();
      const orderNos = await admitAll(context, sale, shoppers(4));
      const mysql = await openMysql();
      const spoilt = mysql.spoilNextCommit(fault);

      await settleOrders(new SaleWriter(openProcess(500, mysql), sale), orderNos);
      await spoilt;

      expect(await outcomeOf(sale)).toEqual(onceEach(orderNos));
    },
  );

  test('that stays lost fails the jobs with the database’s error and releases the lease', async () => {
    const sale = await context.openSale();
    const orderNos = await admitAll(context, sale, shoppers(2));
    const mysql = await openMysql();
    mysql.cut();
    const writer = new SaleWriter(openProcess(500, mysql), sale);

    const error = await settleOrders(writer, orderNos).catch((caught: unknown) => caught);

    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(NotNow);
    expect(await context.redis.exists(context.keys.sale(sale).lease)).toBe(0);
    mysql.restore();
    await settleOrders(writer, orderNos);
    expect(await outcomeOf(sale)).toEqual(onceEach(orderNos));
  });
});

test('the lease is released for a waiting process, although there is always more to write', async () => {
  const sale = await context.openSale({ seckillStock: 100_000 });
  // One order a transaction, and always some hundred of them: a holder that never yields would
  // never be done.
  const writer = new SaleWriter(openProcess(1), sale);
  const jobs: Promise<void>[] = [];
  const yielded = new AbortController();
  const feeding = (async () => {
    while (!yielded.signal.aborted) {
      const orderNos = await admitAll(context, sale, shoppers(100, `round-${jobs.length}`));
      jobs.push(settleInTheEnd(writer, orderNos));
      await vi.waitFor(async () => {
        if ((await context.commands.backlog(sale)) > 200) throw new Error('enough is waiting');
      }, SOON);
    }
  })();
  await expect.poll(() => context.redis.exists(context.keys.sale(sale).lease), SOON).toBe(1);
  const askedMs = performance.now();

  const lease = await acquireLease(context.commands, sale, 10_000);

  const waitedMs = performance.now() - askedMs;
  const backlog = await context.commands.backlog(sale);
  yielded.abort();
  await lease?.release();
  await feeding;
  await Promise.all(jobs);
  expect(lease).toBeDefined();
  expect(backlog).toBeGreaterThan(0);
  // Not at the first batch either: handed over all the time, a lease makes batches small.
  expect(waitedMs).toBeGreaterThan(500);
});

describe('stop', () => {
  test('ends after the present transaction; the other jobs return with NotNow', async () => {
    const sale = await context.openSale();
    const orderNos: string[] = [];
    for (const one of shoppers(3)) orderNos.push(...(await admitAll(context, sale, [one])));
    const [oldestBatch] = await context.commands.batchesBefore(sale, Date.now() + 60_000, 1);
    const oldest = orderNos.find((orderNo) => batchNoOf(orderNo) === oldestBatch)!;
    const lock = await lockSaleRow(context.config, sale);
    const writer = new SaleWriter(openProcess(1), sale);
    const jobs = [oldest, ...orderNos.filter((orderNo) => orderNo !== oldest)].map((orderNo) =>
      settleOrders(writer, [orderNo]),
    );
    const ended = Promise.allSettled(jobs);
    await aLockIsWaitedFor(context.db);

    const stopped = writer.stop();
    await lock.release();
    await stopped;

    const [first, ...others] = await ended;
    expect(first).toMatchObject({ status: 'fulfilled' });
    for (const other of others) expect(other).toMatchObject({ status: 'rejected', reason: expect.any(NotNow) });
    const { orders } = await readLedger(context.db, sale);
    expect(orders.map(({ order_no: orderNo }) => orderNo)).toEqual([oldest]);
    expect(await context.redis.exists(context.keys.sale(sale).lease)).toBe(0);
    expect(writer.running).toBeUndefined();
  });

  test('every later job returns, none of them hangs', async () => {
    const sale = await context.openSale();
    const orderNos = await admitAll(context, sale, shoppers(1));
    const writer = new SaleWriter(openProcess(), sale);
    await writer.stop();

    await expect(settleOrders(writer, orderNos)).rejects.toThrow(NotNow);
    await expect(settleOrders(writer, orderNos)).rejects.toThrow(NotNow);
    expect(writer.running).toBeUndefined();
  });
});
