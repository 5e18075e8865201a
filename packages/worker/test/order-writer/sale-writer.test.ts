import { describe, expect, onTestFinished, test } from 'vitest';
import { connectRedis } from '@flash-sale/shared/platform/redis/client.ts';
import { testContext } from '@flash-sale/shared/testing/support.ts';
import { NotNow, SaleWriter } from '../../src/order-writer/sale-writer.ts';
import { aLockIsWaitedFor, lockSaleRow, readLedger, refuseOrdersOf } from '../ledger.ts';
import { admitAll, shoppers, settleOrders } from '../shoppers.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import { settledBatchesOf, settledOrdersOf } from '@flash-sale/shared/order/settled-record.ts';
import { findOrder } from '@flash-sale/shared/order/orders-table.ts';
import { batchNoOf } from '@flash-sale/shared/order/order-number.ts';
import {
  fenceCounter,
  holdLease,
  inJobsOf,
  onceEach,
  openProcess,
  outcomeOf,
  settleInTheEnd,
  transactionsOf,
} from './writing.ts';

const context = await testContext();

describe('a job', () => {
  test('completes when its orders are in the ledger, its batch out of the outbox and its pollers notified', async () => {
    const sale = await context.openSale();
    const orderNos = await admitAll(context, sale, shoppers(3));
    const listener = connectRedis(context.config, 'blocking');
    onTestFinished(() => listener.disconnect());
    const published: Order[] = [];
    listener.on('message', (_channel, message) => {
      for (const { record } of settledBatchesOf(message)) published.push(...settledOrdersOf(sale.id, record).values());
    });
    await listener.subscribe(context.keys.sale(sale).settled);

    await settleOrders(new SaleWriter(openProcess(context), sale), orderNos);

    expect(await outcomeOf(context, sale)).toEqual(onceEach(orderNos));
    expect(await context.commands.allReservations(sale)).toEqual([]);
    const { settled } = await context.commands.readOrder(sale, orderNos[0]!);
    expect(settled).toEqual(await findOrder(context.db, orderNos[0]!));
    const written = await Promise.all(orderNos.map((orderNo) => findOrder(context.db, orderNo)));
    await expect.poll(() => published, SOON).toEqual(written);
    // No process must wait until the lease expires.
    expect(await context.redis.exists(context.keys.sale(sale).lease)).toBe(0);
  });

  test('of a settled batch completes without taking the lease', async () => {
    const sale = await context.openSale();
    const orderNos = await admitAll(context, sale, shoppers(2));
    const deps = openProcess(context);
    await settleOrders(new SaleWriter(deps, sale), orderNos);
    const before = await fenceCounter(context, sale);

    await settleOrders(new SaleWriter(deps, sale), orderNos);

    expect(await fenceCounter(context, sale)).toBe(before);
    expect(await transactionsOf(deps.metrics)).toBe(1);
  });

  test('of orders without reservations completes and writes nothing: no reservation, no write', async () => {
    const sale = await context.openSale();
    const deps = openProcess(context);

    await settleOrders(new SaleWriter(deps, sale), ['01KARYB6S5Q0H9M3T7ZV5W8XCE4K7N9B-0-1']);

    expect(await readLedger(context.db, sale)).toMatchObject({ sold: 0, orders: [] });
    expect(await transactionsOf(deps.metrics)).toBe(0);
  });

  test('that is delivered twice at once writes each order once', async () => {
    const sale = await context.openSale();
    const orderNos = await admitAll(context, sale, shoppers(5));
    const writer = new SaleWriter(openProcess(context), sale);

    await Promise.all([
      settleOrders(writer, orderNos),
      settleOrders(writer, orderNos),
      settleOrders(writer, orderNos.slice(2)),
    ]);

    expect(await outcomeOf(context, sale)).toEqual(onceEach(orderNos));
  });

  test('returns NotNow if another process holds the lease, and nothing is written', async () => {
    const sale = await context.openSale();
    const orderNos = await admitAll(context, sale, shoppers(1));
    await holdLease(context, sale);

    await expect(settleOrders(new SaleWriter(openProcess(context), sale), orderNos)).rejects.toThrow(NotNow);

    expect(await readLedger(context.db, sale)).toMatchObject({ orders: [] });
    expect(await context.commands.backlog(sale)).toBe(1);
  });
});

describe('group commit', () => {
  test('the jobs of one process share their transactions', async () => {
    const sale = await context.openSale({ seckillStock: 600 });
    const orderNos = await admitAll(context, sale, shoppers(600));
    const deps = openProcess(context, 500);
    const writer = new SaleWriter(deps, sale);

    await Promise.all(inJobsOf(5, orderNos).map((job) => settleOrders(writer, job)));

    expect(await outcomeOf(context, sale)).toEqual(onceEach(orderNos));
    expect(await transactionsOf(deps.metrics)).toBe(2);
  });

  test('orders that arrive one after another are written a few at a time', async () => {
    const sale = await context.openSale({ seckillStock: 60 });
    const deps = openProcess(context);
    const writer = new SaleWriter(deps, sale);
    const jobs: Promise<void>[] = [];
    const leasesBefore = await fenceCounter(context, sale);
    const begunMs = performance.now();
    for (const shopper of shoppers(60)) {
      const [orderNo] = await admitAll(context, sale, [shopper]);
      jobs.push(settleOrders(writer, [orderNo!]));
    }
    await Promise.all(jobs);
    const tookMs = performance.now() - begunMs;
    // If the orders come too slowly, the writer finds no job waiting, and takes the lease again.
    const leases = Number(await fenceCounter(context, sale)) - Number(leasesBefore);

    // One for each 25 ms, or two: an order whose job comes a moment later is written without a
    // pause. For each lease also the first one, and one that finds no job waiting.
    expect(await transactionsOf(deps.metrics)).toBeLessThanOrEqual((2 * tookMs) / 25 + 2 * leases);
  });

  test('the batch that is read during the write of another neither repeats an order nor misses one', async () => {
    const sale = await context.openSale({ seckillStock: 95 });
    const orderNos = await admitAll(context, sale, shoppers(95));
    const deps = openProcess(context, 10);

    await settleOrders(new SaleWriter(deps, sale), orderNos);

    expect(await outcomeOf(context, sale)).toEqual(onceEach(orderNos));
    expect(await transactionsOf(deps.metrics)).toBe(10);
  });

  test('the holder writes the reservations of other processes too, whose jobs then complete without a lease', async () => {
    const sale = await context.openSale({ seckillStock: 50 });
    const mine = await admitAll(context, sale, shoppers(20, 'mine'));
    const theirs = await admitAll(context, sale, shoppers(20, 'theirs'));
    await settleOrders(new SaleWriter(openProcess(context), sale), mine);
    const counter = await fenceCounter(context, sale);

    await settleOrders(new SaleWriter(openProcess(context), sale), theirs);

    expect(await outcomeOf(context, sale)).toEqual(onceEach([...mine, ...theirs]));
    expect(await fenceCounter(context, sale)).toBe(counter);
  });

  test('two processes on one hot sale write every order exactly once, and every job completes', async () => {
    const sale = await context.openSale({ seckillStock: 2_000 });
    const orderNos = await admitAll(context, sale, shoppers(2_000));
    const processes = [openProcess(context, 20), openProcess(context, 20)];
    const writers = processes.map((deps) => new SaleWriter(deps, sale));

    await Promise.all(inJobsOf(50, orderNos).map((job, i) => settleInTheEnd(writers[i % 2]!, job)));

    expect(await outcomeOf(context, sale)).toEqual(onceEach(orderNos));
  });
});

test('an order that MySQL rejects even as a failed one delays no other; its job ends with the reason, and it is written when that is possible', async () => {
  const sale = await context.openSale({ seckillStock: 100 });
  const [poison] = await admitAll(context, sale, ['poison']);
  const others = await admitAll(context, sale, shoppers(20));
  const relent = await refuseOrdersOf(context.db, 'poison', true);
  // Batches that the stuck order, the oldest, would fill after a few rounds if it were read each
  // time in place of another.
  const writer = new SaleWriter(openProcess(context, 2), sale);

  const jobs = await Promise.allSettled([settleOrders(writer, [poison!]), settleOrders(writer, others)]);

  expect(jobs).toMatchObject([
    { status: 'rejected', reason: { message: 'refused by the test' } },
    { status: 'fulfilled' },
  ]);
  expect(await outcomeOf(context, sale)).toMatchObject({ written: others.toSorted(), sold: 20, waiting: 1 });

  await relent();
  await settleOrders(writer, [poison!]);
  expect(await outcomeOf(context, sale)).toEqual(onceEach([poison!, ...others]));
});

test('an inconsistent index of batches fails the jobs instead of causing an endless loop', async () => {
  const sale = await context.openSale();
  const orderNos = await admitAll(context, sale, shoppers(3));
  await context.redis.del(context.keys.sale(sale).batches);

  await expect(settleOrders(new SaleWriter(openProcess(context), sale), orderNos)).rejects.toThrow(
    'index of the batches is inconsistent',
  );
});

describe('stop', () => {
  test('ends after the present transaction; the other jobs return with NotNow', async () => {
    const sale = await context.openSale();
    const orderNos: string[] = [];
    for (const one of shoppers(3)) orderNos.push(...(await admitAll(context, sale, [one])));
    const [oldestBatch] = await context.commands.batchesBefore(sale, Date.now() + 60_000, 1);
    const oldest = orderNos.find((orderNo) => batchNoOf(orderNo) === oldestBatch)!;
    const lock = await lockSaleRow(context.config, sale);
    const writer = new SaleWriter(openProcess(context, 1), sale);
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
    const writer = new SaleWriter(openProcess(context), sale);
    await writer.stop();

    await expect(settleOrders(writer, orderNos)).rejects.toThrow(NotNow);
    await expect(settleOrders(writer, orderNos)).rejects.toThrow(NotNow);
    expect(writer.running).toBeUndefined();
  });
});
