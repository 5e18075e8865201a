import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Sale } from '../../src/sale/sale.ts';
import type { Owner } from '../../src/sale/sale-commands.ts';
import { connectRedis } from '../../src/platform/redis/client.ts';
import { buy, newAttempt, send, shoppers, snapshot, takeLease, unitsOf } from '../../testing/buying.ts';
import { openTestContext, type TestContext } from '../../testing/support.ts';

let context: TestContext;
beforeAll(async () => {
  context = await openTestContext();
});
afterAll(() => context.close());

const LIFE_MS = 60_000;

let sale: Sale;
/** Five orders that wait for the ledger, in a sale of ten units. */
let owners: Owner[];
let lease: string;
beforeEach(async () => {
  sale = await context.openSale({ seckillStock: 10 });
  owners = await buy(context, sale, shoppers(5));
  lease = await takeLease(context, sale);
});

/** From now on another process holds the lease. */
async function loseLease(): Promise<void> {
  await context.redis.del(context.keys.sale(sale).lease);
  await takeLease(context, sale);
}

const orderNos = (): string[] => owners.map(({ orderNo }) => orderNo);
const records = (version: number, status = '{}') => orderNos().map((orderNo) => ({ orderNo, version, status }));

test.each<[string, (mine: string) => Promise<unknown>, unknown]>([
  ['nextReservations', (mine) => context.commands.nextReservations(sale, mine, 10), undefined],
  ['settle', (mine) => context.commands.settle(sale, mine, LIFE_MS, records(1)), false],
  ['giveBack', (mine) => context.commands.giveBack(sale, mine, owners), undefined],
  ['beginRebuild', (mine) => context.commands.beginRebuild(sale, mine), undefined],
  ['addOwners', (mine) => context.commands.addOwners(sale, mine, owners), false],
  [
    'finishRebuild',
    async (mine) => {
      const { historyId } = await context.commands.clock(0);
      return context.commands.finishRebuild(sale, mine, { historyId, owners: 0, available: 10 });
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
  ['indexReservations', (mine) => context.commands.indexReservations(sale, mine), false],
])('%s under a lost lease says so and changes nothing, however the lease was lost', async (_, call, answer) => {
  await loseLease();
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

describe('the next reservations', () => {
  test('are the oldest ones, up to the limit, with the order that each shopper owns', async () => {
    const { reservedAt, owners: ownersKey } = context.keys.sale(sale);
    const aged = owners.toReversed();
    for (const [age, { orderNo }] of aged.entries()) await context.redis.zadd(reservedAt, age, orderNo);
    await context.redis.hset(ownersKey, 'u1', 'another order');
    await context.redis.hdel(ownersKey, 'u2');
    const next = await context.commands.nextReservations(sale, lease, 4);
    expect(next?.reservations.map(({ userId, orderNo }) => ({ userId, orderNo }))).toEqual(aged.slice(0, 4));
    const later = await context.commands.nextReservations(sale, lease, 2, 1);
    expect(later?.reservations.map(({ userId, orderNo }) => ({ userId, orderNo }))).toEqual(aged.slice(1, 3));
    const all = await context.commands.nextReservations(sale, lease, 100);
    expect(all?.reservations.map(({ userId, ownerOrderNo }) => [userId, ownerOrderNo])).toEqual([
      ['u5', aged[0]!.orderNo],
      ['u4', aged[1]!.orderNo],
      ['u3', aged[2]!.orderNo],
      ['u2', undefined],
      ['u1', 'another order'],
    ]);
  });

  test('of one millisecond come in the order of their numbers', async () => {
    const { reservedAt } = context.keys.sale(sale);
    for (const { orderNo } of owners) await context.redis.zadd(reservedAt, 1, orderNo);
    const next = await context.commands.nextReservations(sale, lease, 100);
    expect(next?.reservations.map(({ orderNo }) => orderNo)).toEqual(orderNos().toSorted());
  });

  test('are none if all are settled', async () => {
    await context.commands.settle(sale, lease, LIFE_MS, records(1));
    expect(await context.commands.nextReservations(sale, lease, 10)).toEqual({ wanted: false, reservations: [] });
  });

  test('of a thousand are read at once', async () => {
    const big = await context.openSale({ seckillStock: 1_000 });
    const users = shoppers(1_000);
    await buy(context, big, users.slice(0, 500));
    await buy(context, big, users.slice(500));
    const next = await context.commands.nextReservations(big, await takeLease(context, big), 1_000);
    expect(next?.reservations.map(({ userId }) => userId).toSorted()).toEqual(users.toSorted());
  });
});

describe('to settle', () => {
  test('removes the reservations, records the status for a while, and does not change the units', async () => {
    const units = await unitsOf(context, sale);
    expect(await context.commands.settle(sale, lease, LIFE_MS, records(1, '{"a":1}').slice(0, 3))).toBe(true);
    const left = await context.commands.allReservations(sale);
    expect(left.map(({ userId }) => userId).toSorted()).toEqual(['u4', 'u5']);
    expect(await context.commands.backlog(sale)).toBe(2);
    const status = context.keys.status(sale, owners[0]!.orderNo);
    const { historyId } = await context.commands.clock(0);
    expect(await context.redis.get(status)).toBe(`1 ${historyId.slice(0, 8)} {"a":1}`);
    const lifeMs = await context.redis.pttl(status);
    expect(lifeMs).toBeGreaterThan(LIFE_MS - 10_000);
    expect(lifeMs).toBeLessThanOrEqual(LIFE_MS);
    expect(await unitsOf(context, sale)).toEqual(units);
  });

  test('twice has the effect of once', async () => {
    await context.commands.settle(sale, lease, LIFE_MS, records(1));
    const { [context.keys.backlog(0)]: backlog } = await snapshot(context, sale);
    const reservations = await context.commands.allReservations(sale);
    expect(await context.commands.settle(sale, lease, LIFE_MS, records(1))).toBe(true);
    expect((await snapshot(context, sale))[context.keys.backlog(0)]).toEqual(backlog);
    expect(await context.commands.allReservations(sale)).toEqual(reservations);
  });

  test('late keeps a status with a higher version, and still removes the reservation', async () => {
    const { orderNo } = owners[0]!;
    const settle = (version: number) =>
      context.commands.settle(sale, lease, LIFE_MS, [{ orderNo, version, status: `v${version}` }]);
    const status = async () => (await context.commands.readOrder(sale, orderNo)).status;
    // Ten is more than nine, although not as text.
    await settle(10);
    for (const older of [9, 1, 10]) {
      expect(await settle(older)).toBe(true);
      expect(await status()).toBe('v10');
    }
    await settle(11);
    expect(await status()).toBe('v11');
    expect((await context.commands.readOrder(sale, orderNo)).reservation).toBeUndefined();
  });

  test('notifies the order waiters on the sale’s channel', async () => {
    const subscriber = connectRedis(context.config, 'blocking');
    try {
      const heard: [string, string][] = [];
      subscriber.on('message', (channel: string, message: string) => heard.push([channel, message]));
      const { settled } = context.keys.sale(sale);
      await subscriber.subscribe(settled);
      await context.commands.settle(sale, lease, LIFE_MS, records(1));
      await expect.poll(() => heard).toEqual([[settled, orderNos().join(' ')]]);
    } finally {
      subscriber.disconnect();
    }
  });

  test('records the status of an order that Redis has lost too', async () => {
    await context.redis.del(context.keys.sale(sale).reservations, context.keys.sale(sale).reservedAt);
    expect(await context.commands.settle(sale, lease, LIFE_MS, records(1, 'kept'))).toBe(true);
    expect((await context.commands.readOrder(sale, owners[0]!.orderNo)).status).toBe('kept');
  });
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
    await context.redis.del(context.keys.seckillToken(sale, 'u1'));
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
    expect(await send(context, waiting)).toEqual([{ outcome: 'sold_out' }]);
    await context.commands.giveBack(small, await takeLease(context, small), first);
    expect(await send(context, waiting)).toEqual([{ outcome: 'accepted' }]);
  });
});

describe('the reservations', () => {
  test('that were admitted before a time are found oldest first', async () => {
    const { reservedAt } = context.keys.sale(sale);
    for (const [age, { orderNo }] of owners.entries()) await context.redis.zadd(reservedAt, 1_000 - age, orderNo);
    expect(await context.commands.reservedBefore(sale, 1_000, 3)).toEqual(orderNos().toReversed().slice(0, 3));
    expect(await context.commands.reservedBefore(sale, 996, 3)).toEqual([]);
  });

  test('are found by number, with a gap for a missing one', async () => {
    await context.commands.settle(sale, lease, LIFE_MS, records(1).slice(1, 2));
    const found = await context.commands.reservations(sale, orderNos().slice(0, 3));
    expect(found.map((reservation) => reservation?.userId)).toEqual(['u1', undefined, 'u3']);
  });
});

describe('to index reservations', () => {
  test('rebuilds their order by time after entries were lost, added or changed', async () => {
    const { reservedAt } = context.keys.sale(sale);
    const before = await snapshot(context, sale);
    await context.redis.zrem(reservedAt, orderNos()[0]!);
    await context.redis.zadd(reservedAt, 1, orderNos()[1]!, 2, 'invented');
    for (let again = 0; again < 2; again += 1) {
      expect(await context.commands.indexReservations(sale, lease)).toBe(true);
      expect(await snapshot(context, sale)).toEqual(before);
    }
  });
});

describe('to clean up', () => {
  test('keeps a sale while one order waits for the ledger, then deletes every key except those of the lease', async () => {
    const { [context.keys.backlog(0)]: _backlog, ...before } = await snapshot(context, sale);
    expect(await context.commands.cleanUp(sale, lease)).toBe(false);
    const { [context.keys.backlog(0)]: _same, ...after } = await snapshot(context, sale);
    expect(after).toEqual(before);

    await context.commands.settle(sale, lease, LIFE_MS, records(1));
    expect(await context.commands.cleanUp(sale, lease)).toBe(true);
    const { state, pause, owners: ownersKey, reservations, reservedAt, building } = context.keys.sale(sale);
    expect(await context.redis.exists(state, pause, ownersKey, reservations, reservedAt, building)).toBe(0);
    expect(await context.commands.renewLease(sale, lease, LIFE_MS)).toBe(true);
    // Sent again after a lost reply it finds nothing left to delete.
    expect(await context.commands.cleanUp(sale, lease)).toBe(true);
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: false });
  });
});

describe('to mark orders as changed', () => {
  const told = (orderNo: string) => context.redis.get(context.keys.status(sale, orderNo));

  test('hides a status with a lower version, and one that was never recorded, for its life', async () => {
    await context.commands.settle(sale, lease, LIFE_MS, records(1));
    const never = `${orderNos()[0]!}0`;
    const changed = [orderNos()[0]!, never].map((orderNo) => ({ orderNo, version: 2 }));
    for (let again = 0; again < 2; again += 1) await context.commands.markChanged(sale, LIFE_MS, changed);
    for (const { orderNo } of changed) {
      expect(await told(orderNo)).toBe('2 -');
      expect(await context.redis.pttl(context.keys.status(sale, orderNo))).toBeGreaterThan(LIFE_MS / 2);
      expect((await context.commands.readOrder(sale, orderNo)).status).toBeUndefined();
    }
  });

  test('keeps a status that is as new or newer', async () => {
    await context.commands.settle(sale, lease, LIFE_MS, records(3));
    const [first, second] = orderNos() as [string, string];
    await context.commands.markChanged(sale, LIFE_MS, [
      { orderNo: first, version: 2 },
      { orderNo: second, version: 3 },
    ]);
    expect(await told(first)).toMatch(/^3 [^-]/);
    expect(await told(second)).toMatch(/^3 [^-]/);
  });

  test('is not undone by a late settle', async () => {
    await context.commands.markChanged(sale, LIFE_MS, [{ orderNo: orderNos()[0]!, version: 2 }]);
    await context.commands.settle(sale, lease, LIFE_MS, records(1));
    expect(await told(orderNos()[0]!)).toBe('2 -');
  });

  test('sends pollers to the ledger even while there is a reservation', async () => {
    const orderNo = orderNos()[0]!;
    expect((await context.commands.readOrder(sale, orderNo)).reservation).toBeDefined();
    await context.commands.markChanged(sale, LIFE_MS, [{ orderNo, version: 2 }]);
    expect((await context.commands.readOrder(sale, orderNo)).reservation).toBeUndefined();
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
