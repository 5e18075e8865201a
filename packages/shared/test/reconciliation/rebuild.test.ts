import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { insertOrders } from '../../src/order/orders-table.ts';
import { markCleaned } from '../../src/sale/clean-up-table.ts';
import { readStamp } from '../../src/sale/stamps-table.ts';
import { batchNoOf, newBatchNo, newOrderNumber } from '../../src/order/order-number.ts';
import type { OrderStatus } from '../../src/order/order.ts';
import type { Sale } from '../../src/sale/sale.ts';
import type { Reservation } from '../../src/admission/reservation.ts';
import type { Owner } from '../../src/sale/owner.ts';
import { LeaseLost } from '../../src/sale/lease.ts';
import { ownersOf, rebuildSale } from '../../src/reconciliation/rebuild.ts';
import {
  buy,
  newAttempt,
  newCall,
  newItem,
  send,
  shoppers,
  snapshot,
  takeLease,
  unitsOf,
} from '../../testing/buying.ts';
import { openTestContext, type TestContext } from '../../testing/support.ts';
import { ordersOf, settle } from '../../testing/settling.ts';

let context: TestContext;
beforeAll(async () => {
  context = await openTestContext();
});
afterAll(() => context.close());

const rebuild = (sale: Sale, waitMs = 5_000) => rebuildSale(context, sale, waitMs);
const byUser = (owners: readonly Owner[]): Record<string, string> =>
  Object.fromEntries(owners.map(({ userId, orderNo }) => [userId, orderNo]));

/** Puts orders into the ledger as the writer does, past Redis. */
async function writeOrders(
  sale: Sale,
  owners: readonly Owner[],
  status: OrderStatus = 'pending_payment',
): Promise<void> {
  const facts = { productId: sale.id, status, priceCents: sale.priceCents, createdAtMs: Date.now(), version: 1 };
  await context.db.transaction().execute(async (tx) => {
    for (let from = 0; from < owners.length; from += 1_000) {
      await insertOrders(
        tx,
        owners.slice(from, from + 1_000).map((owner) => ({ ...owner, ...facts })),
      );
    }
  });
}

const newOwners = (sale: Sale, users: readonly string[]): Owner[] =>
  users.map((userId) => ({ userId, orderNo: newOrderNumber(sale, newBatchNo(Date.now())), quantity: 1 }));

/** Deletes everything that Redis has of a sale. */
async function empty(sale: Sale): Promise<void> {
  await context.redis.del(...Object.keys(await snapshot(context, sale)));
}

describe('from an empty Redis', () => {
  test('a new sale is ready with all its units', async () => {
    const sale = await context.insertSale({ seckillStock: 7 });
    expect(await rebuild(sale)).toEqual({ sale, held: 0, available: 7 });
    expect(await unitsOf(context, sale)).toEqual({ available: 7, total: 7, owners: {} });
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: true, version: 1, paused: false });
    expect(await context.redis.exists(context.keys.sale(sale).lease)).toBe(0);
  });

  test('the owners are exactly the live orders: closed and failed ones hold no unit', async () => {
    const sale = await context.insertSale({ seckillStock: 10 });
    const pending = newOwners(sale, ['u1', 'u2']);
    const paid = newOwners(sale, ['u3']);
    await writeOrders(sale, pending);
    await writeOrders(sale, paid, 'paid');
    for (const closed of ['refunded', 'cancelled', 'expired', 'failed'] as const) {
      await writeOrders(sale, newOwners(sale, [closed, 'u1']), closed);
    }
    expect(await rebuild(sale)).toMatchObject({ held: 3, available: 7 });
    expect(await unitsOf(context, sale)).toEqual({ available: 7, total: 10, owners: byUser([...pending, ...paid]) });
  });

  test('another sale’s orders do not count', async () => {
    const [sale, other] = [await context.insertSale({ seckillStock: 5 }), await context.insertSale()];
    await writeOrders(other, newOwners(other, shoppers(3)));
    expect(await rebuild(sale)).toMatchObject({ held: 0, available: 5 });
  });

  test('the row’s pause is loaded too', async () => {
    const sale = await context.insertSale();
    await context.db.updateTable('products').set({ paused: 1, pause_version: 4 }).where('id', '=', sale.id).execute();
    await rebuild(sale);
    expect(await context.commands.readSale(sale)).toMatchObject({ paused: true });
    expect(await context.redis.get(context.keys.sale(sale).pause)).toBe('4 1');
  });

  test('20,000 owners are loaded in seconds, and the sale is stopped no longer than that', async () => {
    const sale = await context.insertSale({ seckillStock: 25_000 });
    await writeOrders(sale, newOwners(sale, shoppers(20_000)));
    const beganMs = performance.now();
    expect(await rebuild(sale)).toMatchObject({ held: 20_000, available: 5_000 });
    expect(performance.now() - beganMs).toBeLessThan(10_000);
    expect(await context.redis.hlen(context.keys.sale(sale).owners)).toBe(20_000);
  });

  test('ids that differ in case and order numbers are loaded byte by byte', async () => {
    const sale = await context.insertSale();
    const owners = newOwners(sale, ['u1', 'U1', '{0}', "'", '\\', '%', 'x'.repeat(255)]);
    await writeOrders(sale, owners);
    await rebuild(sale);
    expect((await unitsOf(context, sale)).owners).toEqual(byUser(owners));
  });
});

test('an order that the ledger has lost frees its unit, and its settled record is no longer told', async () => {
  const sale = await context.openSale({ seckillStock: 3 });
  const [{ orderNo }] = (await buy(context, sale, ['ann'])) as [Owner];
  const lease = await takeLease(context, sale);
  await settle(context, sale, lease, await ordersOf(context, sale, [orderNo]));
  await context.commands.releaseLease(sale, lease);
  expect(await context.commands.readOrder(sale, orderNo)).toMatchObject({ settled: { userId: 'ann' } });

  expect(await rebuild(sale)).toMatchObject({ held: 0, available: 3 });

  expect(await context.commands.readOrder(sale, orderNo)).toMatchObject({ saleReady: true, settled: undefined });
});

describe('with reservations that survived', () => {
  test('those without a row own a unit again, and can be sent again', async () => {
    const sale = await context.openSale({ seckillStock: 10 });
    const attempt = await newAttempt(context, sale, shoppers(4));
    await send(context, attempt);
    await context.redis.del(context.keys.sale(sale).owners, context.keys.sale(sale).state);
    expect(await rebuild(sale)).toMatchObject({ held: 4, available: 6 });
    expect((await unitsOf(context, sale)).owners).toEqual(byUser(attempt.items));
    expect(await send(context, attempt)).toEqual(shoppers(4).map(() => ({ outcome: 'accepted' })));
    expect(await unitsOf(context, sale)).toMatchObject({ available: 6 });
  });

  test('one that is already in the ledger counts once', async () => {
    const sale = await context.openSale({ seckillStock: 10 });
    const owners = await buy(context, sale, shoppers(3));
    await writeOrders(sale, owners.slice(0, 2));
    expect(await rebuild(sale)).toMatchObject({ held: 3, available: 7 });
    expect((await unitsOf(context, sale)).owners).toEqual(byUser(owners));
    expect(await context.commands.backlog(sale)).toBe(3);
  });

  test('one whose order was closed meanwhile owns nothing, so its unit is free', async () => {
    const sale = await context.openSale({ seckillStock: 10 });
    const owners = await buy(context, sale, shoppers(3));
    await writeOrders(sale, owners.slice(0, 1), 'cancelled');
    await writeOrders(sale, owners.slice(1, 2), 'failed');
    expect(await rebuild(sale)).toMatchObject({ held: 1, available: 9 });
    expect((await unitsOf(context, sale)).owners).toEqual(byUser(owners.slice(2)));
    // The returns of both still come; they find no owner entry and free nothing twice.
    expect(await context.commands.giveBack(sale, await takeLease(context, sale), owners.slice(0, 2))).toBe(0);
  });

  test('the oldest get the remaining units', async () => {
    const sale = await context.openSale({ seckillStock: 5 });
    const owners: Owner[] = [];
    for (const user of shoppers(5)) owners.push(...(await buy(context, sale, [user])));
    const { batches } = context.keys.sale(sale);
    for (const [i, { orderNo, userId }] of owners.entries()) {
      // The last who came is now the oldest.
      const record = `${1_000 - i} 1999 1\n${orderNo} ${userId} request`;
      await context.redis.hset(batches, batchNoOf(orderNo), record);
    }
    const live = newOwners(sale, ['live']);
    await writeOrders(sale, live);
    await context.db.updateTable('products').set({ seckill_stock: 3 }).where('id', '=', sale.id).execute();
    expect(await rebuild(sale)).toMatchObject({ held: 3, available: 0 });
    expect((await unitsOf(context, sale)).owners).toEqual(byUser([...live, ...owners.slice(3)]));
    // Those left out stay, for the writer to fail them: an accepted order never just vanishes.
    expect(await context.commands.backlog(sale)).toBe(5);
  });

  test('a shopper with a live order owns that one', async () => {
    const sale = await context.openSale();
    await buy(context, sale, ['u1']);
    const live = newOwners(sale, ['u1']);
    await writeOrders(sale, live);
    await rebuild(sale);
    expect((await unitsOf(context, sale)).owners).toEqual(byUser(live));
  });
});

describe('the owners', () => {
  const reservation = (userId: string, orderNo: string, admittedMs: number): Reservation => ({
    userId,
    orderNo,
    admittedMs,
    priceCents: 1,
    quantity: 1,
    batchNo: 'batch',
    requestId: 'request',
  });

  test('are live orders first, then reservations by time and number, one per shopper', () => {
    const waiting = [
      reservation('c', 'c2', 7),
      reservation('b', 'b1', 5),
      reservation('c', 'c1', 5),
      reservation('a', 'a2', 1),
      reservation('d', 'd1', 6),
    ];
    const live = [{ userId: 'a', orderNo: 'a1', quantity: 1 }];
    expect(ownersOf({ seckillStock: 3 }, live, waiting, new Set())).toEqual([
      { userId: 'a', orderNo: 'a1', quantity: 1 },
      { userId: 'b', orderNo: 'b1', quantity: 1 },
      { userId: 'c', orderNo: 'c1', quantity: 1 },
    ]);
    expect(ownersOf({ seckillStock: 3 }, live, waiting, new Set(['c1', 'b1']))).toEqual([
      { userId: 'a', orderNo: 'a1', quantity: 1 },
      { userId: 'd', orderNo: 'd1', quantity: 1 },
      { userId: 'c', orderNo: 'c2', quantity: 1 },
    ]);
  });

  test('include every live order, even more than there are units', () => {
    const live = shoppers(3).map((userId) => ({ userId, orderNo: `of ${userId}`, quantity: 1 }));
    expect(ownersOf({ seckillStock: 2 }, live, [reservation('late', 'l1', 1)], new Set())).toEqual(live);
  });
});

describe('a changed product', () => {
  test('sells with its new facts, and owners keep their units', async () => {
    const sale = await context.openSale({ seckillStock: 3, priceCents: 1_999 });
    const owners = await buy(context, sale, ['u1', 'u2']);
    await context.db
      .updateTable('products')
      .set({ seckill_stock: 4, price_cents: 999, version: 2, end_time: new Date(sale.endMs + 60_000) })
      .where('id', '=', sale.id)
      .execute();
    expect(await rebuild(sale)).toMatchObject({ held: 2, available: 2, sale: { version: 2, priceCents: 999 } });
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: true, version: 2, available: 2 });
    const [third] = await buy(context, sale, ['u3']);
    const reservations = await context.commands.allReservations(sale);
    const priceOf = (wanted: string) => reservations.find(({ orderNo }) => orderNo === wanted)?.priceCents;
    // Promise 5: an accepted order never changes its price.
    expect([owners[0]!, third!].map(({ orderNo }) => priceOf(orderNo))).toEqual([1_999, 999]);
    expect(await context.redis.hget(context.keys.sale(sale).state, 'end_ms')).toBe(String(sale.endMs + 60_000));
  });
});

describe('a rebuild', () => {
  test('is not done while another process holds the lease, and the sale continues to sell', async () => {
    const sale = await context.openSale();
    await takeLease(context, sale);
    expect(await rebuild(sale, 50)).toBeUndefined();
    await buy(context, sale, ['u1']);
  });

  test('is stamped in the ledger, so that no transaction of an earlier holder can commit after it', async () => {
    const sale = await context.openSale();
    const before = (await readStamp(context.db, sale.id))!.fence;
    await rebuild(sale);
    expect((await readStamp(context.db, sale.id))!.fence).toBe(before + 1);
  });

  test('repeated changes nothing', async () => {
    const sale = await context.openSale();
    const owners = await buy(context, sale, shoppers(3));
    await writeOrders(sale, owners.slice(0, 1));
    const units = await unitsOf(context, sale);
    for (let i = 0; i < 3; i += 1) {
      await rebuild(sale);
      expect(await unitsOf(context, sale)).toEqual(units);
    }
  });

  test('by several processes at once is done by one after another', async () => {
    const sale = await context.insertSale({ seckillStock: 5 });
    const owners = newOwners(sale, shoppers(2));
    await writeOrders(sale, owners);
    const rebuilt = await Promise.all(Array.from({ length: 5 }, () => rebuild(sale)));
    for (const one of rebuilt) expect(one).toMatchObject({ held: 2, available: 3 });
    expect(await unitsOf(context, sale)).toEqual({ available: 3, total: 5, owners: byUser(owners) });
  });

  test.each([
    ['it stopped the sale', 1],
    ['it added some owners', 2],
    ['it added wrong owners', 3],
  ])('that died after %s is made good by the next', async (_, steps) => {
    const sale = await context.openSale({ seckillStock: 5 });
    const owners = await buy(context, sale, shoppers(3));
    await writeOrders(sale, owners.slice(0, 2));
    const dead = await takeLease(context, sale);
    await context.commands.beginRebuild(sale, dead);
    if (steps >= 2) await context.commands.addOwners(sale, dead, owners.slice(0, 1));
    if (steps >= 3) await context.commands.addOwners(sale, dead, [{ userId: 'stale', orderNo: 'stale', quantity: 1 }]);
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: false });
    // Its lease runs out.
    await context.redis.pexpire(context.keys.sale(sale).lease, 20);
    expect(await rebuild(sale)).toMatchObject({ held: 3, available: 2 });
    expect(await unitsOf(context, sale)).toEqual({ available: 2, total: 5, owners: byUser(owners) });
    // Had it only slept, it could do nothing any more.
    const { historyId } = await context.commands.clock(0);
    expect(await context.commands.finishRebuild(sale, dead, { historyId, owners: 0, held: 0, available: 5 })).toBe(
      false,
    );
    expect(await unitsOf(context, sale)).toMatchObject({ available: 2 });
  });

  test('that loses its lease reports that and leaves the sale stopped', async () => {
    const sale = await context.openSale();
    await buy(context, sale, shoppers(3));
    const commands = {
      ...context.commands,
      allReservations: async (ref: Sale) => {
        await context.redis.del(context.keys.sale(ref).lease);
        return context.commands.allReservations(ref);
      },
    };
    await expect(rebuildSale({ commands, db: context.db }, sale, 1_000)).rejects.toThrow(LeaseLost);
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: false });
    expect(await rebuild(sale)).toMatchObject({ held: 3, available: 7 });
  });

  test('of a sale that was cleaned up does not load it into Redis', async () => {
    const sale = await context.insertSale();
    await markCleaned(context.db, sale.id, 0);
    expect(await rebuild(sale)).toBeUndefined();
    expect(await context.redis.exists(context.keys.sale(sale).state, context.keys.sale(sale).lease)).toBe(0);
  });

  test('of a sale that the ledger does not have is refused', async () => {
    const sale = { ...(await context.insertSale()), id: 999_999 };
    await expect(rebuild(sale)).rejects.toThrow(LeaseLost);
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: false });
  });

  test('while shoppers buy answers not_ready, never sold out, and then sells on without an oversell', async () => {
    const sale = await context.openSale({ seckillStock: 40 });
    const before = await buy(context, sale, shoppers(10));
    await writeOrders(sale, before);
    const lease = await takeLease(context, sale);
    const orders = await ordersOf(
      context,
      sale,
      before.map(({ orderNo }) => orderNo),
    );
    await settle(context, sale, lease, orders);
    await context.commands.releaseLease(sale, lease);
    await empty(sale);

    // Seckill tokens cannot be issued by a stopped sale, so they are put in place by hand.
    const users = Array.from({ length: 60 }, (_, i) => `later-${i}`);
    const token = 'the same for all';
    for (const user of users) await context.redis.set(context.keys.seckillToken(sale, user), token, 'PX', 60_000);
    const call = await newCall(context, sale);
    const items = await Promise.all(users.map((user) => newItem(context, sale, user, { token })));
    const early = new Set<string>();
    const enough = new AbortController();
    const clicking = (async () => {
      for (let i = 0; !enough.signal.aborted; i = (i + 1) % 30) {
        // A click that is repeated is the same call again.
        const click = { ...call, batchNo: `click-${i}` };
        for (const { outcome } of await context.commands.admit(sale, click, [items[i]!])) early.add(outcome);
      }
    })();
    await expect.poll(() => early.has('not_ready')).toBe(true);
    await rebuild(sale);
    await expect.poll(() => early.has('accepted')).toBe(true);
    enough.abort();
    await clicking;
    expect([...early].toSorted((a, b) => (a < b ? -1 : 1))).toEqual(['accepted', 'not_ready']);

    const last = await context.commands.admit(sale, call, items);
    expect(last.filter(({ outcome }) => outcome === 'accepted' || outcome === 'replayed')).toHaveLength(30);
    const { available, owners } = await unitsOf(context, sale);
    expect([available, Object.keys(owners).length]).toEqual([0, 40]);
    expect(owners).toMatchObject(byUser(before));
  });
});
