import { describe, expect, test, vi } from 'vitest';
import { stampFence } from '@flash-sale/shared/sale/stamps-table.ts';
import { acquireLease, LeaseLost } from '@flash-sale/shared/sale/lease.ts';
import { testContext } from '@flash-sale/shared/testing/support.ts';
import { NotNow, SaleWriter } from '../../src/order-writer/sale-writer.ts';
import { aLockIsWaitedFor, lockSaleRow, readLedger } from '../ledger.ts';
import { admitAll, shoppers, settleOrders } from '../shoppers.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import {
  fenceCounter,
  holdLease,
  leasesLost,
  onceEach,
  openMysql,
  openProcess,
  outcomeOf,
  settleInTheEnd,
} from './writing.ts';

const context = await testContext();

test('a lease whose holder fails before it writes is released, and not renewed without end', async () => {
  const sale = await context.openSale();
  const orderNos = await admitAll(context, sale, shoppers(1));
  const deps = openProcess(context);
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

describe('the fencing token', () => {
  test('is taken again above the ledger’s if Redis has lost its counter', async () => {
    const sale = await context.openSale();
    const orderNos = await admitAll(context, sale, shoppers(3));
    // Far ahead, so that asking for one token after the other would take all day.
    await stampFence(context.db, sale.id, 1_000_000);
    await context.redis.del(context.keys.sale(sale).fence);

    await settleOrders(new SaleWriter(openProcess(context), sale), orderNos);

    expect(await outcomeOf(context, sale)).toEqual(onceEach(orderNos));
    expect((await readLedger(context.db, sale)).fence).toBe(1_000_001);
    expect(await fenceCounter(context, sale)).toBe('1000001');
  });

  test('a holder that lost its lease between COMMIT and settle settles nothing; the next one does, and writes nothing', async () => {
    const sale = await context.openSale();
    const orderNos = await admitAll(context, sale, shoppers(3));
    const mysql = await openMysql(context);
    const sleeper = openProcess(context, 500, mysql);
    const reply = mysql.holdNextCommitReply();
    const slept = settleOrders(new SaleWriter(sleeper, sale), orderNos);
    slept.catch(() => undefined);
    await reply.committed;
    await context.redis.del(context.keys.sale(sale).lease);
    const next = await holdLease(context, sale);

    reply.release();
    await expect(slept).rejects.toThrow(LeaseLost);

    expect(await leasesLost(sleeper.metrics)).toBe(1);
    expect(await context.commands.backlog(sale)).toBe(3);
    expect(await context.commands.readOrder(sale, orderNos[0]!)).toMatchObject({ settled: undefined });
    // The other holder's lease was not ended by the loser.
    expect(await context.redis.get(context.keys.sale(sale).lease)).toBe(next.text);

    await next.release();
    await settleOrders(new SaleWriter(openProcess(context), sale), orderNos);
    expect(await outcomeOf(context, sale)).toEqual(onceEach(orderNos));
  });

  test('a holder that wakes up before its transaction, after another took and stamped the lease, writes nothing', async () => {
    const sale = await context.openSale();
    const orderNos = await admitAll(context, sale, shoppers(2));
    const lock = await lockSaleRow(context.config, sale);
    const slept = settleOrders(new SaleWriter(openProcess(context), sale), orderNos);
    slept.catch(() => undefined);
    await aLockIsWaitedFor(context.db);
    await context.redis.del(context.keys.sale(sale).lease);
    const next = await holdLease(context, sale);
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
      const mysql = await openMysql(context);
      const spoilt = mysql.spoilNextCommit(fault);

      await settleOrders(new SaleWriter(openProcess(context, 500, mysql), sale), orderNos);
      await spoilt;

      expect(await outcomeOf(context, sale)).toEqual(onceEach(orderNos));
    },
  );

  test('that stays lost fails the jobs with the database’s error and releases the lease', async () => {
    const sale = await context.openSale();
    const orderNos = await admitAll(context, sale, shoppers(2));
    const mysql = await openMysql(context);
    mysql.cut();
    const writer = new SaleWriter(openProcess(context, 500, mysql), sale);

    const error = await settleOrders(writer, orderNos).catch((caught: unknown) => caught);

    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(NotNow);
    expect(await context.redis.exists(context.keys.sale(sale).lease)).toBe(0);
    mysql.restore();
    await settleOrders(writer, orderNos);
    expect(await outcomeOf(context, sale)).toEqual(onceEach(orderNos));
  });

  test('that stays lost keeps the process from taking the lease, which another process can use', async () => {
    const sale = await context.openSale();
    const orderNos = await admitAll(context, sale, shoppers(2));
    const mysql = await openMysql(context);
    mysql.cut();
    const writer = new SaleWriter(openProcess(context, 500, mysql), sale);
    await expect(settleOrders(writer, orderNos)).rejects.toBeInstanceOf(Error);
    const taken = await fenceCounter(context, sale);

    await expect(settleOrders(writer, orderNos)).rejects.toBeInstanceOf(Error);

    expect(await fenceCounter(context, sale)).toBe(taken);
  });
});

test('the lease is released for a waiting process, although there is always more to write', async () => {
  const sale = await context.openSale({ seckillStock: 100_000 });
  // One order a transaction, and always some hundred of them: a holder that never yields would
  // never be done.
  const writer = new SaleWriter(openProcess(context, 1), sale);
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
