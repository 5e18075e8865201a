import { describe, expect, test } from 'vitest';
import type { Reservation } from '../../src/admission/reservation.ts';
import { TOTAL_CENTS_MAX } from '../../src/platform/money.ts';
import { batchNoOf } from '../../src/order/order-number.ts';
import { ownerEntryOf, type Owner } from '../../src/sale/owner.ts';
import type { Sale } from '../../src/sale/sale.ts';
import { auditSale } from '../../src/reconciliation/audit.ts';
import { editSale } from '../../src/reconciliation/edit.ts';
import { topUpSale } from '../../src/reconciliation/change.ts';
import { ownersOf, rebuildSale } from '../../src/reconciliation/rebuild.ts';
import { repairSale } from '../../src/reconciliation/repair.ts';
import { buy, newAttempt, send, unitsOf } from '../../testing/buying.ts';
import { placeOrders } from '../../testing/ordering.ts';
import { testContext } from '../../testing/support.ts';

const WAIT_MS = 5_000;
const EDITING = { waitMs: WAIT_MS, priceCentsMin: 1 };

const context = await testContext();

const entriesOf = (owners: readonly Owner[]): Record<string, string> =>
  Object.fromEntries(owners.map((owner) => [owner.userId, ownerEntryOf(owner)]));
const audit = (sale: Sale, thorough = true) => auditSale(context, sale, { waitMs: WAIT_MS, thorough });

describe('the owners of a rebuild', () => {
  const reservation = (userId: string, quantity: number, admittedMs: number): Reservation => ({
    userId,
    orderNo: `${userId}-${admittedMs}`,
    quantity,
    admittedMs,
    priceCents: 1,
    batchNo: 'batch',
    requestId: 'request',
  });
  const named = (owners: readonly Owner[]) => owners.map(({ orderNo, quantity }) => `${orderNo}:${quantity}`);

  test('are the oldest whose quantity fits, whole: one that does not fit is left out, and a younger one may fit', () => {
    const waiting = [reservation('c', 3, 3), reservation('d', 1, 4), reservation('b', 2, 2), reservation('a', 1, 1)];
    const live = [{ userId: 'live', orderNo: 'live', quantity: 2 }];
    expect(named(ownersOf({ seckillStock: 9 }, live, waiting, new Set()))).toEqual([
      'live:2',
      'a-1:1',
      'b-2:2',
      'c-3:3',
      'd-4:1',
    ]);
    expect(named(ownersOf({ seckillStock: 7 }, live, waiting, new Set()))).toEqual([
      'live:2',
      'a-1:1',
      'b-2:2',
      'd-4:1',
    ]);
    expect(named(ownersOf({ seckillStock: 4 }, live, waiting, new Set()))).toEqual(['live:2', 'a-1:1', 'd-4:1']);
    expect(named(ownersOf({ seckillStock: 2 }, live, waiting, new Set()))).toEqual(['live:2']);
    // Live orders stay, even if they hold more than there is.
    expect(named(ownersOf({ seckillStock: 1 }, live, waiting, new Set()))).toEqual(['live:2']);
  });
});

describe('a rebuild', () => {
  test('keeps every quantity, of live orders and of reservations', async () => {
    const sale = await context.openSale({ unitsPerShopper: 3 });
    const [live] = await placeOrders(context, sale, ['live'], { quantity: 3 });
    const waiting = [...(await buy(context, sale, ['two'], 2)), ...(await buy(context, sale, ['one']))];
    const before = await unitsOf(context, sale);
    expect(before).toEqual({ available: 4, total: 10, owners: entriesOf([live!, ...waiting]) });
    expect(await rebuildSale(context, sale, WAIT_MS)).toMatchObject({ held: 6, available: 4 });
    expect(await unitsOf(context, sale)).toEqual(before);
    expect(await audit(sale)).toMatchObject({ verdict: 'clean', held: 6, sold: 3, findings: [] });
  });

  test('with fewer units than held leaves out whole orders, oldest first', async () => {
    const sale = await context.openSale({ unitsPerShopper: 3 });
    const [live] = await placeOrders(context, sale, ['live'], { quantity: 2 });
    const waiting: Owner[] = [];
    for (const [user, quantity] of [
      ['first', 2],
      ['second', 3],
      ['third', 1],
    ] as const)
      waiting.push(...(await buy(context, sale, [user], quantity)));
    // Buys of the same millisecond would be ordered by their numbers.
    for (const [i, { userId, orderNo, quantity }] of waiting.entries()) {
      const line = `${orderNo} ${userId} request${quantity === 1 ? '' : ` ${quantity}`}`;
      await context.redis.hset(context.keys.sale(sale).batches, batchNoOf(orderNo), `${1_000 + i} 1999 1\n${line}`);
    }
    await context.db.updateTable('products').set({ seckill_stock: 5 }).where('id', '=', sale.id).execute();
    expect(await rebuildSale(context, sale, WAIT_MS)).toMatchObject({ held: 5, available: 0 });
    const [first, , third] = waiting;
    expect((await unitsOf(context, sale)).owners).toEqual(entriesOf([live!, first!, third!]));
    expect(await context.commands.backlog(sale)).toBe(3);
  });
});

describe('a change of a running sale', () => {
  test('tops up around held units', async () => {
    const sale = await context.openSale({ seckillStock: 3, unitsPerShopper: 3 });
    await buy(context, sale, ['u1'], 3);
    await topUpSale(context, sale, { seckillStock: 8 }, EDITING);
    expect(await unitsOf(context, sale)).toMatchObject({ available: 5, total: 8 });
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: true, held: 3 });
  });

  test('may change the units per shopper at any time; standing orders stay', async () => {
    const sale = await context.openSale();
    const wanted = await newAttempt(context, sale, ['u1'], { quantity: 2 });
    expect(await send(context, wanted)).toEqual([{ outcome: 'invalid_request', unitsPerShopper: 1 }]);
    await editSale(context, sale, { unitsPerShopper: 2 }, EDITING);
    expect(await send(context, wanted)).toEqual([{ outcome: 'accepted' }]);
    await editSale(context, sale, { unitsPerShopper: 1 }, EDITING);
    const { items, ...again } = await newAttempt(context, sale, ['u1'], { quantity: 2 });
    expect(await send(context, { ...again, items })).toMatchObject([{ outcome: 'replayed', quantity: 2 }]);
    expect(await audit(sale)).toMatchObject({ verdict: 'clean', held: 2, findings: [] });
  });
});

describe('an edit', () => {
  const edited = (sale: Sale, edit: object) => editSale(context, sale, edit, EDITING);

  test('never lets an order cost more than can be charged', async () => {
    const startMs = Date.now() + 3_600_000;
    const sale = await context.openSale({ priceCents: TOTAL_CENTS_MAX, startMs, endMs: startMs + 1_000 });
    await expect(edited(sale, { unitsPerShopper: 2 })).rejects.toMatchObject({ code: 'invalid_request' });
    expect(await edited(sale, { priceCents: 49_999_999, unitsPerShopper: 2 })).toMatchObject({ unitsPerShopper: 2 });
    await expect(edited(sale, { priceCents: 50_000_000 })).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('of other facts passes, also if an older version allowed a higher price', async () => {
    const sale = await context.openSale({ priceCents: 10 * TOTAL_CENTS_MAX });
    expect(await edited(sale, { name: 'renamed' })).toMatchObject({ name: 'renamed' });
  });
});

describe('an audit', () => {
  const drifts: readonly {
    readonly name: string;
    readonly plant: (sale: Sale, owner: Owner) => Promise<unknown>;
    readonly finding: RegExp;
  }[] = [
    {
      name: 'an owner entry of fewer units',
      plant: async (sale, { userId, orderNo }) => {
        const { owners, state } = context.keys.sale(sale);
        await context.redis.hset(owners, userId, `${orderNo}:2`);
        await context.redis.hincrby(state, 'extra_held', -1);
        await context.redis.hincrby(state, 'available', 1);
      },
      finding: /holds 2 units for \S+, which has 3/,
    },
    {
      name: 'a wrong sum of extra units, and of available ones',
      plant: async (sale) => {
        await context.redis.hincrby(context.keys.sale(sale).state, 'extra_held', -1);
        await context.redis.hincrby(context.keys.sale(sale).state, 'available', 1);
      },
      finding: /extra_held 1 is not the 2 units/,
    },
    {
      name: 'extra units that were never added',
      plant: (sale) => context.redis.hdel(context.keys.sale(sale).state, 'extra_held'),
      finding: /available 6 \+ held 2 is not seckill_stock 10/,
    },
    {
      name: 'sold orders instead of units',
      plant: (sale) => context.db.updateTable('products').set({ sold: 2 }).where('id', '=', sale.id).execute(),
      finding: /sold 2 is not the 4 units of live orders/,
    },
    {
      name: 'another limit in the row',
      plant: (sale) =>
        context.db.updateTable('products').set({ units_per_shopper: 5 }).where('id', '=', sale.id).execute(),
      finding: /units_per_shopper is 3 in Redis and 5 in the row/,
    },
  ];

  test.each(drifts)('finds and repairs $name', async ({ plant, finding }) => {
    const sale = await context.openSale({ unitsPerShopper: 3 });
    const [owner] = await placeOrders(context, sale, ['three'], { quantity: 3 });
    await placeOrders(context, sale, ['one']);
    expect(await audit(sale, false)).toMatchObject({ verdict: 'clean', available: 6, held: 4, sold: 4, liveOrders: 2 });
    await plant(sale, owner!);
    // Also the quick look at the counts.
    const found = (await audit(sale, false))!;
    expect(found).toMatchObject({
      verdict: 'drift',
      findings: expect.arrayContaining([expect.stringMatching(finding)]),
    });
    expect(await repairSale(context, sale.shard, found, WAIT_MS)).toBe(true);
    expect(await audit(sale)).toMatchObject({ verdict: 'clean', available: 6, held: 4, sold: 4, findings: [] });
  });
});
