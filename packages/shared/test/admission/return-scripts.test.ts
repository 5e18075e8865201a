import { beforeEach, describe, expect, test } from 'vitest';
import type { Sale } from '../../src/sale/sale.ts';
import type { Owner } from '../../src/sale/owner.ts';
import { buy, loseToken, newAttempt, send, shoppers, snapshot, takeLease, unitsOf } from '../../testing/buying.ts';
import { batchNoOf } from '../../src/order/order-number.ts';
import { SETTLED_LIFE_MS } from '../../src/order/order.ts';
import { testContext } from '../../testing/support.ts';
import { LIFE_MS, orderNos, settlements } from './settled-orders.ts';

const context = await testContext();

let sale: Sale;
/** Five orders that wait for the ledger, in a sale of ten units. */
let owners: Owner[];
let lease: string;
beforeEach(async () => {
  sale = await context.openSale({ seckillStock: 10 });
  owners = await buy(context, sale, shoppers(5));
  lease = await takeLease(context, sale);
});

describe('to give back', () => {
  test('frees the unit of each order that its shopper’s owner entry names, only once', async () => {
    expect(await context.commands.giveBack(sale, lease, owners.slice(0, 2))).toBe(2);
    expect(await unitsOf(context, sale)).toEqual({
      available: 7,
      total: 10,
      owners: Object.fromEntries(owners.slice(2).map(({ userId, orderNo }) => [userId, orderNo])),
    });
    expect(await context.commands.giveBack(sale, lease, owners.slice(0, 3))).toBe(1);
    expect(await context.commands.giveBack(sale, lease, owners.slice(0, 3))).toBe(0);
    expect(await unitsOf(context, sale)).toMatchObject({ available: 8 });
  });

  test('does not touch the next order of the same shopper', async () => {
    const [closed] = owners;
    await context.commands.giveBack(sale, lease, [closed!]);
    await loseToken(context, sale, 'u1');
    const [standing] = await buy(context, sale, ['u1']);
    expect(await context.commands.giveBack(sale, lease, [closed!, closed!])).toBe(0);
    expect((await unitsOf(context, sale)).owners['u1']).toBe(standing!.orderNo);
  });

  test('named twice in one call frees one unit', async () => {
    expect(await context.commands.giveBack(sale, lease, [owners[0]!, owners[0]!])).toBe(1);
    expect(await unitsOf(context, sale)).toMatchObject({ available: 6 });
  });

  test('does nothing for another shopper’s order and for an unknown one', async () => {
    const before = await snapshot(context, sale);
    const mixed = { userId: 'u1', orderNo: owners[1]!.orderNo };
    const strangers = [mixed, { userId: 'nobody', orderNo: 'none' }, { userId: 'U1', orderNo: owners[0]!.orderNo }];
    expect(await context.commands.giveBack(sale, lease, strangers)).toBe(0);
    expect(await snapshot(context, sale)).toEqual(before);
  });

  test('makes the last unit available again', async () => {
    const small = await context.openSale({ seckillStock: 1 });
    const first = await buy(context, small, ['u1']);
    const waiting = await newAttempt(context, small, ['u2']);
    expect(await send(context, waiting)).toEqual([{ outcome: 'sold_out', available: 0 }]);
    await context.commands.giveBack(small, await takeLease(context, small), first);
    expect(await send(context, waiting)).toEqual([{ outcome: 'accepted' }]);
  });
});

describe('the batches', () => {
  test('that were admitted before a time are found oldest first', async () => {
    const { batchTimes } = context.keys.sale(sale);
    await context.redis.del(batchTimes);
    for (const age of [0, 1, 2, 3, 4]) await context.redis.zadd(batchTimes, 1_000 - age, `batch-${age}`);
    expect(await context.commands.batchesBefore(sale, 1_000, 3)).toEqual(['batch-4', 'batch-3', 'batch-2']);
    expect(await context.commands.batchesBefore(sale, 996, 3)).toEqual([]);
    expect(await context.commands.whichWait(sale, ['batch-1', 'unknown', 'batch-4'])).toEqual(['batch-1', 'batch-4']);
  });
});

describe('to index batches', () => {
  test('rebuilds their order by time and the number of orders after a change by hand', async () => {
    const { batchTimes, state } = context.keys.sale(sale);
    await buy(context, sale, ['u6', 'u7']);
    const before = await snapshot(context, sale);
    await context.redis.zrem(batchTimes, batchNoOf(orderNos(owners)[0]!));
    await context.redis.zadd(batchTimes, 2, 'invented');
    await context.redis.multi().hincrby(state, 'backlog', 3).incrby(context.keys.backlog(0), 3).exec();
    for (let again = 0; again < 2; again += 1) {
      expect(await context.commands.indexBatches(sale, lease)).toBe(true);
      expect(await snapshot(context, sale)).toEqual(before);
    }
  });
});

describe('to clean up', () => {
  test('keeps a sale while one order waits for the ledger, then deletes every key except those of the lease', async () => {
    const { state, pause, owners: ownersKey, batches, batchTimes, building } = context.keys.sale(sale);
    const { [context.keys.backlog(0)]: _backlog, ...before } = await snapshot(context, sale);
    expect(await context.commands.cleanUp(sale, lease)).toBe(false);
    // Also if only the index of its batches was lost.
    await context.redis.rename(batchTimes, `${batchTimes}:aside`);
    expect(await context.commands.cleanUp(sale, lease)).toBe(false);
    await context.redis.rename(`${batchTimes}:aside`, batchTimes);
    const { [context.keys.backlog(0)]: _same, ...after } = await snapshot(context, sale);
    expect(after).toEqual(before);

    await context.commands.settle(sale, lease, LIFE_MS, await settlements(context, sale, owners));
    expect(await context.commands.cleanUp(sale, lease)).toBe(true);
    expect(await context.redis.exists(state, pause, ownersKey, batches, batchTimes, building)).toBe(0);
    expect(await context.commands.renewLease(sale, lease, LIFE_MS)).toBe(true);
    // Sent again after a lost reply it finds nothing left to delete.
    expect(await context.commands.cleanUp(sale, lease)).toBe(true);
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: false });
  });
});

describe('to mark orders as changed', () => {
  const seen = (orderNo: string) => context.commands.readOrder(sale, orderNo);
  const nothing = { reservation: undefined, settled: undefined };

  test('sends their pollers to the ledger for longer than a settled record lives, and no others', async () => {
    await context.commands.settle(sale, lease, LIFE_MS, await settlements(context, sale, owners));
    const [first, second] = orderNos(owners) as [string, string];
    for (let again = 0; again < 2; again += 1) await context.commands.markChanged(sale, [{ orderNo: first }]);
    expect(await seen(first)).toMatchObject(nothing);
    expect((await seen(second)).settled).toBeDefined();
    expect(await context.redis.pttl(context.keys.changedOrder(sale, first))).toBeGreaterThan(1.9 * SETTLED_LIFE_MS);
  });

  test('is not undone by a late settle', async () => {
    await context.commands.markChanged(sale, [{ orderNo: orderNos(owners)[0]! }]);
    await context.commands.settle(sale, lease, LIFE_MS, await settlements(context, sale, owners));
    expect(await seen(orderNos(owners)[0]!)).toMatchObject(nothing);
  });

  test('sends pollers to the ledger even while the batch waits', async () => {
    const orderNo = orderNos(owners)[0]!;
    expect((await seen(orderNo)).reservation).toBeDefined();
    await context.commands.markChanged(sale, [{ orderNo }]);
    expect(await seen(orderNo)).toMatchObject(nothing);
  });
});

describe('outcomes', () => {
  test('are the sum of the processes’ totals, however often each reports', async () => {
    const tell = (processName: string, totals: Record<string, number>) =>
      context.commands.setOutcomes(sale, processName, new Map(Object.entries(totals)));
    await tell('one', { accepted: 2, sold_out: 5 });
    await tell('one', { accepted: 3, sold_out: 5 });
    await tell('one', { accepted: 3, sold_out: 5 });
    await tell('two', { accepted: 1, paused: 1 });
    expect(await context.commands.outcomes(sale)).toEqual({ accepted: 4, sold_out: 5, paused: 1 });
  });
});
