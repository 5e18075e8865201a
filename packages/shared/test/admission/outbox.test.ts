import { describe, expect, test } from 'vitest';
import type { Sale } from '../../src/sale/sale.ts';
import type { Owner } from '../../src/sale/owner.ts';
import { rebuildSale } from '../../src/reconciliation/rebuild.ts';
import { buy, newAttempt, send, shoppers, takeLease } from '../../testing/buying.ts';
import { openTestContext, testContext } from '../../testing/support.ts';
import { ordersOf, settle as settleOrders } from '../../testing/settling.ts';

const context = await testContext();

/** The time of the sale's oldest batch in the outbox; undefined if it is not there. */
async function sinceOf(sale: Sale): Promise<number | undefined> {
  const found = await context.commands.outbox(sale.shard);
  return found.find(({ saleId }) => saleId === sale.id)?.oldestMs;
}

/** The same by the batches themselves. */
async function oldestOf(sale: Sale): Promise<number | undefined> {
  const [, oldest] = await context.redis.zrange(context.keys.sale(sale).batchTimes, '0', '0', 'WITHSCORES');
  return oldest === undefined ? undefined : Number(oldest);
}

async function settle(sale: Sale, owners: readonly Owner[]): Promise<void> {
  const lease = await takeLease(context, sale);
  const orders = await ordersOf(
    context,
    sale,
    owners.map(({ orderNo }) => orderNo),
  );
  expect(await settleOrders(context, sale, lease, orders)).toBe(true);
  await context.commands.releaseLease(sale, lease);
}

describe('the outbox of a shard', () => {
  test('has a sale from its first batch to its last, with the time of its oldest one', async () => {
    const sale = await context.openSale({ seckillStock: 100 });
    expect(await sinceOf(sale)).toBeUndefined();
    const first = await buy(context, sale, ['first']);
    const since = await sinceOf(sale);
    expect(since).toBe(await oldestOf(sale));
    // In a later millisecond.
    await expect.poll(async () => (await context.commands.clock(0)).nowMs).toBeGreaterThan(since!);
    const later = await buy(context, sale, shoppers(3));
    expect(await sinceOf(sale)).toBe(since);
    await settle(sale, first);
    expect(await sinceOf(sale)).toBe(await oldestOf(sale));
    expect(await sinceOf(sale)).toBeGreaterThan(since!);
    await settle(sale, later);
    expect([await sinceOf(sale), await oldestOf(sale)]).toEqual([undefined, undefined]);
  });

  test('has no sale whose buys were all refused, and keeps sales separate', async () => {
    const [refused, sold] = [await context.openSale({ seckillStock: 1 }), await context.openSale()];
    await settle(refused, await buy(context, refused, ['only']));
    await send(context, await newAttempt(context, refused, shoppers(2)));
    await buy(context, sold, ['one']);
    expect(await sinceOf(refused)).toBeUndefined();
    expect(await sinceOf(sold)).toBeDefined();
  });

  test.each<[string, (sale: Sale) => Promise<unknown>]>([
    ['a rebuild', (sale) => rebuildSale(context, sale, 5_000)],
    [
      'a repair',
      async (sale) => {
        const lease = await takeLease(context, sale);
        await context.commands.indexBatches(sale, lease);
        await context.commands.releaseLease(sale, lease);
      },
    ],
    ['a look of warm-up', (sale) => context.commands.noteOldest(sale)],
  ])('is repaired by %s, as after an older version or a change by hand', async (_what, repair) => {
    const [waits, done] = [await context.openSale(), await context.openSale()];
    await buy(context, waits, ['one']);
    await context.redis.zrem(context.keys.outbox(0), waits.id);
    await context.redis.zadd(context.keys.outbox(0), 1, done.id);
    await Promise.all([repair(waits), repair(done)]);
    expect(await sinceOf(waits)).toBe(await oldestOf(waits));
    expect(await sinceOf(done)).toBeUndefined();
  });

  test('returns the sales before a time, oldest first, up to the limit', async () => {
    const own = await openTestContext();
    try {
      const sales = [await own.openSale(), await own.openSale(), await own.openSale()];
      for (const [i, { id }] of sales.entries()) await own.redis.zadd(own.keys.outbox(0), 1_000 * (3 - i), id);
      const [third, second, first] = sales.map(({ id }) => id);
      const ids = async (...limits: number[]) => (await own.commands.outbox(0, ...limits)).map(({ saleId }) => saleId);
      expect(await ids()).toEqual([first, second, third]);
      expect(await ids(2_000)).toEqual([first]);
      expect(await ids(Infinity, 2)).toEqual([first, second]);
    } finally {
      await own.close();
    }
  });
});

describe('the comparison of an outbox with its sales', () => {
  test('of more sales than one call may have finds those without batches in several calls, and adds up no orders', async () => {
    const own = await openTestContext();
    try {
      const { redis, keys, commands } = own;
      const sales = await Promise.all(Array.from({ length: 5 }, () => own.openSale()));
      await buy(own, sales[0]!, ['one']);
      await redis.zadd(keys.outbox(0), ...sales.slice(1, 4).flatMap(({ id }) => [1, id]), 1, 900_000);
      await redis.set(keys.backlog(0), 7);
      const gone = [...sales.slice(1, 4).map(({ id }) => id), 900_000];
      const inParts = { repairs: false, atOnceMax: 2 };
      const found = await commands.compareOutbox(0, sales, inParts);
      expect({ ...found, emptySales: new Set(found?.emptySales) }).toEqual({
        backlog: 0,
        backlogOfSales: 0,
        emptySales: new Set(gone),
      });
      // Nothing was changed. With room for all of them the orders are added up, too.
      expect(await commands.compareOutbox(0, sales, { repairs: false })).toMatchObject({
        backlog: 7,
        backlogOfSales: 1,
      });
      await commands.compareOutbox(0, sales, { ...inParts, repairs: true });
      expect((await commands.outbox(0)).map(({ saleId }) => saleId)).toEqual([sales[0]!.id]);
      expect(await redis.get(keys.backlog(0))).toBe('7');
      await commands.compareOutbox(0, sales, { repairs: true });
      expect(await redis.get(keys.backlog(0))).toBe('1');
      expect(await commands.compareOutbox(0, [], inParts)).toEqual({ backlog: 1, backlogOfSales: 1, emptySales: [] });
    } finally {
      await own.close();
    }
  });
});

describe('the stopped sales of a shard', () => {
  const stopped = async (): Promise<number[]> => (await context.commands.lookAtShard(0)).stopped;

  test('are those of a rebuild or a change that has not ended', async () => {
    const sale = await context.openSale();
    const lease = await takeLease(context, sale);
    expect(await stopped()).not.toContain(sale.id);
    await context.commands.beginRebuild(sale, lease);
    expect(await stopped()).toContain(sale.id);
    const { historyId } = await context.commands.clock(0);
    expect(await context.commands.finishRebuild(sale, lease, { historyId, owners: 0, held: 0, available: 10 })).toBe(
      true,
    );
    expect(await stopped()).not.toContain(sale.id);

    await context.commands.beginChange(sale, lease);
    expect(await stopped()).toContain(sale.id);
    expect(await context.commands.finishChange(sale, { ...sale, version: 2 }, lease, historyId)).toBe(true);
    expect(await stopped()).not.toContain(sale.id);
  });

  test('do not include a sale that is cleaned up', async () => {
    const sale = await context.openSale();
    const lease = await takeLease(context, sale);
    await context.commands.beginChange(sale, lease);
    expect(await context.commands.cleanUp(sale, lease)).toBe(true);
    expect(await stopped()).not.toContain(sale.id);
  });

  test('are all named, also if they are many thousands: a Lua call takes no more than some thousand values', async () => {
    const ids = Array.from({ length: 20_000 }, (_, i) => i + 1);
    await context.redis.sadd(context.keys.stopped(8), ...ids);
    const { stopped: named } = await context.commands.lookAtShard(8);
    expect(named.toSorted((a, b) => a - b)).toEqual(ids);
  });

  test('come with the name of the history, which changes if Redis is emptied', async () => {
    const { history } = await context.commands.lookAtShard(9);
    expect((await context.commands.lookAtShard(9)).history).toBe(history);
    await context.redis.del(context.keys.mark(9));
    expect((await context.commands.lookAtShard(9)).history).not.toBe(history);
  });
});
