import { describe, expect, test } from 'vitest';
import { batchNoOf } from '../../src/order/order-number.ts';
import type { Reservation } from '../../src/admission/reservation.ts';
import type { Owner } from '../../src/sale/owner.ts';
import { ownersOf } from '../../src/reconciliation/rebuild.ts';
import { buy, newAttempt, send, shoppers, takeLease, unitsOf } from '../../testing/buying.ts';
import { testContext } from '../../testing/support.ts';
import { ordersOf, settle } from '../../testing/settling.ts';
import { byUser, newOwners, rebuild, writeOrders } from './rebuilding.ts';

const context = await testContext();

describe('from an empty Redis', () => {
  test('a new sale is ready with all its units', async () => {
    const sale = await context.insertSale({ seckillStock: 7 });
    expect(await rebuild(context, sale)).toEqual({ sale, held: 0, available: 7 });
    expect(await unitsOf(context, sale)).toEqual({ available: 7, total: 7, owners: {} });
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: true, version: 1, paused: false });
    expect(await context.redis.exists(context.keys.sale(sale).lease)).toBe(0);
  });

  test('the owners are exactly the live orders: closed and failed ones hold no unit', async () => {
    const sale = await context.insertSale({ seckillStock: 10 });
    const pending = newOwners(sale, ['u1', 'u2']);
    const paid = newOwners(sale, ['u3']);
    await writeOrders(context, sale, pending);
    await writeOrders(context, sale, paid, 'paid');
    for (const closed of ['refunded', 'cancelled', 'expired', 'failed'] as const) {
      await writeOrders(context, sale, newOwners(sale, [closed, 'u1']), closed);
    }
    expect(await rebuild(context, sale)).toMatchObject({ held: 3, available: 7 });
    expect(await unitsOf(context, sale)).toEqual({ available: 7, total: 10, owners: byUser([...pending, ...paid]) });
  });

  test('another sale’s orders do not count', async () => {
    const [sale, other] = [await context.insertSale({ seckillStock: 5 }), await context.insertSale()];
    await writeOrders(context, other, newOwners(other, shoppers(3)));
    expect(await rebuild(context, sale)).toMatchObject({ held: 0, available: 5 });
  });

  test('the row’s pause is loaded too', async () => {
    const sale = await context.insertSale();
    await context.db.updateTable('products').set({ paused: 1, pause_version: 4 }).where('id', '=', sale.id).execute();
    await rebuild(context, sale);
    expect(await context.commands.readSale(sale)).toMatchObject({ paused: true });
    expect(await context.redis.get(context.keys.sale(sale).pause)).toBe('4 1');
  });

  test('20,000 owners are loaded in seconds, and the sale is stopped no longer than that', async () => {
    const sale = await context.insertSale({ seckillStock: 25_000 });
    await writeOrders(context, sale, newOwners(sale, shoppers(20_000)));
    const beganMs = performance.now();
    expect(await rebuild(context, sale)).toMatchObject({ held: 20_000, available: 5_000 });
    expect(performance.now() - beganMs).toBeLessThan(10_000);
    expect(await context.redis.hlen(context.keys.sale(sale).owners)).toBe(20_000);
  });

  test('ids that differ in case and order numbers are loaded byte by byte', async () => {
    const sale = await context.insertSale();
    const owners = newOwners(sale, ['u1', 'U1', '{0}', "'", '\\', '%', 'x'.repeat(255)]);
    await writeOrders(context, sale, owners);
    await rebuild(context, sale);
    expect((await unitsOf(context, sale)).owners).toEqual(byUser(owners));
  });
});

test('an order that the ledger has lost frees its unit, and pollers no longer get its settled record', async () => {
  const sale = await context.openSale({ seckillStock: 3 });
  const [{ orderNo }] = (await buy(context, sale, ['ann'])) as [Owner];
  const lease = await takeLease(context, sale);
  await settle(context, sale, lease, await ordersOf(context, sale, [orderNo]));
  await context.commands.releaseLease(sale, lease);
  expect(await context.commands.readOrder(sale, orderNo)).toMatchObject({ settled: { userId: 'ann' } });

  expect(await rebuild(context, sale)).toMatchObject({ held: 0, available: 3 });

  expect(await context.commands.readOrder(sale, orderNo)).toMatchObject({ saleReady: true, settled: undefined });
});

describe('with reservations that survived', () => {
  test('those without a row own a unit again, and can be sent again', async () => {
    const sale = await context.openSale({ seckillStock: 10 });
    const attempt = await newAttempt(context, sale, shoppers(4));
    await send(context, attempt);
    await context.redis.del(context.keys.sale(sale).owners, context.keys.sale(sale).state);
    expect(await rebuild(context, sale)).toMatchObject({ held: 4, available: 6 });
    expect((await unitsOf(context, sale)).owners).toEqual(byUser(attempt.items));
    expect(await send(context, attempt)).toEqual(shoppers(4).map(() => ({ outcome: 'accepted' })));
    expect(await unitsOf(context, sale)).toMatchObject({ available: 6 });
  });

  test('one that is already in the ledger counts once', async () => {
    const sale = await context.openSale({ seckillStock: 10 });
    const owners = await buy(context, sale, shoppers(3));
    await writeOrders(context, sale, owners.slice(0, 2));
    expect(await rebuild(context, sale)).toMatchObject({ held: 3, available: 7 });
    expect((await unitsOf(context, sale)).owners).toEqual(byUser(owners));
    expect(await context.commands.backlog(sale)).toBe(3);
  });

  test('one whose order was closed meanwhile owns nothing, so its unit is free', async () => {
    const sale = await context.openSale({ seckillStock: 10 });
    const owners = await buy(context, sale, shoppers(3));
    await writeOrders(context, sale, owners.slice(0, 1), 'cancelled');
    await writeOrders(context, sale, owners.slice(1, 2), 'failed');
    expect(await rebuild(context, sale)).toMatchObject({ held: 1, available: 9 });
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
    await writeOrders(context, sale, live);
    await context.db.updateTable('products').set({ seckill_stock: 3 }).where('id', '=', sale.id).execute();
    expect(await rebuild(context, sale)).toMatchObject({ held: 3, available: 0 });
    expect((await unitsOf(context, sale)).owners).toEqual(byUser([...live, ...owners.slice(3)]));
    // Those left out stay, for the writer to fail them: an accepted order never just vanishes.
    expect(await context.commands.backlog(sale)).toBe(5);
  });

  test('a shopper with a live order owns that one', async () => {
    const sale = await context.openSale();
    await buy(context, sale, ['u1']);
    const live = newOwners(sale, ['u1']);
    await writeOrders(context, sale, live);
    await rebuild(context, sale);
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
    expect(await rebuild(context, sale)).toMatchObject({
      held: 2,
      available: 2,
      sale: { version: 2, priceCents: 999 },
    });
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: true, version: 2, available: 2 });
    const [third] = await buy(context, sale, ['u3']);
    const reservations = await context.commands.allReservations(sale);
    const priceOf = (wanted: string) => reservations.find(({ orderNo }) => orderNo === wanted)?.priceCents;
    // Promise 5: an accepted order never changes its price.
    expect([owners[0]!, third!].map(({ orderNo }) => priceOf(orderNo))).toEqual([1_999, 999]);
    expect(await context.redis.hget(context.keys.sale(sale).state, 'end_ms')).toBe(String(sale.endMs + 60_000));
  });
});
