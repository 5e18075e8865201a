import { describe, expect, test } from 'vitest';
import { markCleaned } from '../../src/sale/clean-up-table.ts';
import { readStamp } from '../../src/sale/stamps-table.ts';
import type { Sale } from '../../src/sale/sale.ts';
import { LeaseLost } from '../../src/sale/lease.ts';
import { rebuildSale } from '../../src/reconciliation/rebuild.ts';
import { buy, newCall, newItem, putToken, shoppers, takeLease, unitsOf } from '../../testing/buying.ts';
import { testContext } from '../../testing/support.ts';
import { ordersOf, settle } from '../../testing/settling.ts';
import { byUser, empty, newOwners, rebuild, writeOrders } from './rebuilding.ts';

const context = await testContext();

describe('a rebuild', () => {
  test('is not done while another process holds the lease, and the sale continues to sell', async () => {
    const sale = await context.openSale();
    await takeLease(context, sale);
    expect(await rebuild(context, sale, 50)).toBeUndefined();
    await buy(context, sale, ['u1']);
  });

  test('is stamped in the ledger, so that no transaction of an earlier holder can commit after it', async () => {
    const sale = await context.openSale();
    const before = (await readStamp(context.db, sale.id))!.fence;
    await rebuild(context, sale);
    expect((await readStamp(context.db, sale.id))!.fence).toBe(before + 1);
  });

  test('repeated changes nothing', async () => {
    const sale = await context.openSale();
    const owners = await buy(context, sale, shoppers(3));
    await writeOrders(context, sale, owners.slice(0, 1));
    const units = await unitsOf(context, sale);
    for (let i = 0; i < 3; i += 1) {
      await rebuild(context, sale);
      expect(await unitsOf(context, sale)).toEqual(units);
    }
  });

  test('by several processes at once is done by one after another', async () => {
    const sale = await context.insertSale({ seckillStock: 5 });
    const owners = newOwners(sale, shoppers(2));
    await writeOrders(context, sale, owners);
    const rebuilt = await Promise.all(Array.from({ length: 5 }, () => rebuild(context, sale)));
    for (const one of rebuilt) expect(one).toMatchObject({ held: 2, available: 3 });
    expect(await unitsOf(context, sale)).toEqual({ available: 3, total: 5, owners: byUser(owners) });
  });

  test.each([
    ['it stopped the sale', 1],
    ['it added some owners', 2],
    ['it added wrong owners', 3],
  ])('that died after %s is completed by the next one', async (_, steps) => {
    const sale = await context.openSale({ seckillStock: 5 });
    const owners = await buy(context, sale, shoppers(3));
    await writeOrders(context, sale, owners.slice(0, 2));
    const dead = await takeLease(context, sale);
    await context.commands.beginRebuild(sale, dead);
    if (steps >= 2) await context.commands.addOwners(sale, dead, owners.slice(0, 1));
    if (steps >= 3) await context.commands.addOwners(sale, dead, [{ userId: 'stale', orderNo: 'stale', quantity: 1 }]);
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: false });
    // Its lease runs out.
    await context.redis.pexpire(context.keys.sale(sale).lease, 20);
    expect(await rebuild(context, sale)).toMatchObject({ held: 3, available: 2 });
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
    expect(await rebuild(context, sale)).toMatchObject({ held: 3, available: 7 });
  });

  test('of a sale that was cleaned up does not load it into Redis', async () => {
    const sale = await context.insertSale();
    await markCleaned(context.db, sale.id, 0);
    expect(await rebuild(context, sale)).toBeUndefined();
    expect(await context.redis.exists(context.keys.sale(sale).state, context.keys.sale(sale).lease)).toBe(0);
  });

  test('of a sale that the ledger does not have is refused', async () => {
    const sale = { ...(await context.insertSale()), id: 999_999 };
    await expect(rebuild(context, sale)).rejects.toThrow(LeaseLost);
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: false });
  });

  test('while shoppers buy answers not_ready, never sold out, and then sells on without an oversell', async () => {
    const sale = await context.openSale({ seckillStock: 40 });
    const before = await buy(context, sale, shoppers(10));
    await writeOrders(context, sale, before);
    const lease = await takeLease(context, sale);
    const orders = await ordersOf(
      context,
      sale,
      before.map(({ orderNo }) => orderNo),
    );
    await settle(context, sale, lease, orders);
    await context.commands.releaseLease(sale, lease);
    await empty(context, sale);

    // Seckill tokens cannot be issued by a stopped sale, so they are put in place by hand.
    const users = Array.from({ length: 60 }, (_, i) => `later-${i}`);
    const token = 'the same for all';
    for (const user of users) await putToken(context, sale, user, token);
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
    await rebuild(context, sale);
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
