import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Sale } from '../../src/sale/sale.ts';
import type { Owner } from '../../src/sale/owner.ts';
import { connectRedis } from '../../src/platform/redis/client.ts';
import { buy, shoppers, snapshot, takeLease, unitsOf } from '../../testing/buying.ts';
import { ordersOf, settle } from '../../testing/settling.ts';
import { batchNoOf } from '../../src/order/order-number.ts';
import { settledBatchesOf, settledOrdersOf } from '../../src/order/settled-record.ts';
import type { NextBatches } from '../../src/admission/outbox-commands.ts';
import { testContext } from '../../testing/support.ts';
import { LIFE_MS, loseLease, orderNos, settled, settlements } from './settled-orders.ts';

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

test.each<[string, (mine: string) => Promise<unknown>, unknown]>([
  ['nextBatches', (mine) => context.commands.nextBatches(sale, mine, 10), undefined],
  [
    'settle',
    async (mine) => context.commands.settle(sale, mine, LIFE_MS, await settlements(context, sale, owners)),
    false,
  ],
  ['giveBack', (mine) => context.commands.giveBack(sale, mine, owners), undefined],
  ['beginRebuild', (mine) => context.commands.beginRebuild(sale, mine), undefined],
  ['addOwners', (mine) => context.commands.addOwners(sale, mine, owners), false],
  [
    'finishRebuild',
    async (mine) => {
      const { historyId } = await context.commands.clock(0);
      return context.commands.finishRebuild(sale, mine, { historyId, owners: 0, held: 0, available: 10 });
    },
    false,
  ],
  ['beginChange', (mine) => context.commands.beginChange(sale, mine), undefined],
  [
    'finishChange',
    async (mine) => {
      const { historyId } = await context.commands.clock(0);
      return context.commands.finishChange(sale, { ...sale, seckillStock: 20, version: 2 }, mine, historyId);
    },
    false,
  ],
  ['cleanUp', (mine) => context.commands.cleanUp(sale, mine), false],
  ['indexBatches', (mine) => context.commands.indexBatches(sale, mine), false],
])('%s under a lost lease says so and changes nothing, however the lease was lost', async (_, call, answer) => {
  await loseLease(context, sale);
  const before = await snapshot(context, sale);
  expect(await call(lease)).toBe(answer);
  const held = (await context.redis.get(context.keys.sale(sale).lease))!;
  // The same fencing token under another name, the same name under another fencing token, and
  // nothing at all.
  for (const foreign of [held.replace(/ .*/, ` ${randomUUID()}`), `9${held}`, '']) {
    expect(await call(foreign)).toBe(answer);
  }
  expect(await snapshot(context, sale)).toEqual(before);
  await context.redis.del(context.keys.sale(sale).lease);
  const free = await snapshot(context, sale);
  expect(await call(lease)).toBe(answer);
  expect(await snapshot(context, sale)).toEqual(free);
});

describe('the next batches', () => {
  /** Three batches, the last bought is the oldest. */
  async function threeBatches(): Promise<Owner[][]> {
    const bought = [owners.slice(0, 5), await buy(context, sale, ['u6']), await buy(context, sale, ['u7', 'u8'])];
    for (const [age, batch] of bought.toReversed().entries()) {
      await context.redis.zadd(context.keys.sale(sale).batchTimes, age, batchNoOf(batch[0]!.orderNo));
    }
    return bought;
  }

  const usersOf = (next: NextBatches | undefined) =>
    next!.batches.map(({ reservations }) => reservations.map(({ userId }) => userId));

  test('are the oldest ones as a whole, up to the number of orders, and whether there are more', async () => {
    await threeBatches();
    const next = (ordersMax: number, skip?: number) => context.commands.nextBatches(sale, lease, ordersMax, { skip });
    expect(usersOf(await next(100))).toEqual([['u7', 'u8'], ['u6'], shoppers(5)]);
    expect((await next(100))!.hasMore).toBe(false);
    expect(usersOf(await next(7))).toEqual([['u7', 'u8'], ['u6']]);
    expect((await next(7))!.hasMore).toBe(true);
    expect(usersOf(await next(1))).toEqual([['u7', 'u8']]);
    expect(usersOf(await next(1, 1))).toEqual([['u6']]);
    expect(usersOf(await next(100, 2))).toEqual([shoppers(5)]);
    expect(usersOf(await next(100, 3))).toEqual([]);
    // The three oldest orders are stuck: there is one more, whatever the size of its batch.
    const beyond = await context.commands.nextBatches(sale, lease, 1, { stuck: 3 });
    expect(usersOf(beyond)).toEqual([['u7', 'u8'], ['u6'], shoppers(5)]);
  });

  test('tell which orders hold a unit: those that their shopper’s owner entry names', async () => {
    const { owners: ownersKey } = context.keys.sale(sale);
    await context.redis.hset(ownersKey, 'u1', 'another order');
    await context.redis.hdel(ownersKey, 'u2');
    const next = await context.commands.nextBatches(sale, lease, 100);
    expect(next!.batches[0]!.reservations.map(({ userId, isHeld }) => [userId, isHeld])).toEqual([
      ['u1', false],
      ['u2', false],
      ['u3', true],
      ['u4', true],
      ['u5', true],
    ]);
  });

  test('are none if all are settled', async () => {
    await context.commands.settle(sale, lease, LIFE_MS, await settlements(context, sale, owners));
    expect(await context.commands.nextBatches(sale, lease, 10)).toEqual({
      isWanted: false,
      hasMore: false,
      batches: [],
    });
  });

  test('of a thousand orders, one in each batch or all in two, are read at once', async () => {
    const big = await context.openSale({ seckillStock: 2_000 });
    const users = shoppers(1_100);
    await buy(context, big, users.slice(0, 500));
    await buy(context, big, users.slice(500, 1_000));
    for (const user of users.slice(1_000)) await buy(context, big, [user]);
    const next = await context.commands.nextBatches(big, await takeLease(context, big), 1_100);
    expect(usersOf(next).flat().toSorted()).toEqual(users.toSorted());
  });
});

describe('to settle', () => {
  test('moves a batch out of the outbox into one record for a while, and does not change the units', async () => {
    const units = await unitsOf(context, sale);
    const [order] = await ordersOf(context, sale, orderNos(owners));
    expect(await context.commands.settle(sale, lease, LIFE_MS, await settlements(context, sale, owners))).toBe(true);
    expect(await context.commands.allReservations(sale)).toEqual([]);
    expect(await context.commands.backlog(sale)).toBe(0);
    expect(await context.commands.batchesBefore(sale, Infinity, 10)).toEqual([]);
    const record = settled(context, sale, orderNos(owners)[0]!);
    const { historyId } = await context.commands.clock(0);
    const { createdAtMs, priceCents } = order!;
    expect(await context.redis.get(record)).toBe(
      [
        `${historyId.slice(0, 8)} ${createdAtMs} ${priceCents}`,
        ...owners.map(({ userId, orderNo }) => `${orderNo} ${userId} expires 60000`),
      ].join('\n'),
    );
    const lifeMs = await context.redis.pttl(record);
    expect(lifeMs).toBeGreaterThan(LIFE_MS - 10_000);
    expect(lifeMs).toBeLessThanOrEqual(LIFE_MS);
    expect(await unitsOf(context, sale)).toEqual(units);
  });

  test('a batch with a stuck order settles all others, and that order later', async () => {
    const stuck = orderNos(owners)[4]!;
    const order = await ordersOf(context, sale, [stuck]);
    expect(await context.commands.settle(sale, lease, LIFE_MS, await settlements(context, sale, owners, 4))).toBe(true);
    expect((await context.commands.allReservations(sale)).map(({ orderNo }) => orderNo)).toEqual([stuck]);
    expect(await context.commands.backlog(sale)).toBe(1);
    expect((await context.commands.readOrder(sale, stuck)).reservation).toMatchObject({ userId: 'u5' });
    expect((await context.commands.readOrder(sale, orderNos(owners)[0]!)).settled).toMatchObject({ userId: 'u1' });

    for (let again = 0; again < 2; again += 1) expect(await settle(context, sale, lease, order)).toBe(true);
    expect(await context.commands.backlog(sale)).toBe(0);
    for (const { userId, orderNo } of owners) {
      expect((await context.commands.readOrder(sale, orderNo)).settled).toMatchObject({ userId });
    }
  });

  test('twice has the effect of once', async () => {
    const first = await settlements(context, sale, owners, 2);
    await context.commands.settle(sale, lease, LIFE_MS, first);
    const backlog = await context.redis.get(context.keys.backlog(0));
    const left = await context.commands.allReservations(sale);
    const record = await context.redis.get(settled(context, sale, orderNos(owners)[0]!));
    expect(await context.commands.settle(sale, lease, LIFE_MS, first)).toBe(true);
    expect(await context.redis.get(context.keys.backlog(0))).toBe(backlog);
    expect(await context.commands.allReservations(sale)).toEqual(left);
    expect(await context.redis.get(settled(context, sale, orderNos(owners)[0]!))).toBe(record);
  });

  test('records of an order that has moved on only that the ledger has it', async () => {
    const [moved, ...others] = await ordersOf(context, sale, orderNos(owners));
    await settle(context, sale, lease, [{ ...moved!, status: 'paid', version: 2 }, ...others]);
    expect(await context.commands.readOrder(sale, moved!.orderNo)).toMatchObject({
      reservation: undefined,
      settled: undefined,
    });
    expect((await context.commands.readOrder(sale, others[0]!.orderNo)).settled).toEqual(others[0]);
  });

  test('notifies the order waiters on the sale’s channel', async () => {
    const subscriber = connectRedis(context.config, 'blocking');
    try {
      const heard: [string, string][] = [];
      subscriber.on('message', (channel: string, message: string) => heard.push([channel, message]));
      const { settled: channelName } = context.keys.sale(sale);
      await subscriber.subscribe(channelName);
      await context.commands.settle(sale, lease, LIFE_MS, await settlements(context, sale, owners));
      const told = () =>
        heard.flatMap(([channel, message]) =>
          settledBatchesOf(message).map(({ batchNo, record }) => [
            channel,
            batchNo,
            [...settledOrdersOf(sale.id, record).keys()],
          ]),
        );
      await expect.poll(told).toEqual([[channelName, batchNoOf(orderNos(owners)[0]!), orderNos(owners)]]);
    } finally {
      subscriber.disconnect();
    }
  });

  test('records the orders of a batch that Redis has lost too, and does not bring it back', async () => {
    const lost = await settlements(context, sale, owners, 4);
    const { batches, batchTimes } = context.keys.sale(sale);
    await context.redis.del(batches, batchTimes);
    expect(await context.commands.settle(sale, lease, LIFE_MS, lost)).toBe(true);
    expect((await context.commands.readOrder(sale, orderNos(owners)[0]!)).settled).toMatchObject({ userId: 'u1' });
    expect(await context.redis.exists(batches, batchTimes)).toBe(0);
  });
});
