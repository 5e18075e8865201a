import { beforeEach, describe, expect, test } from 'vitest';
import type { Sale } from '../../src/sale/sale.ts';
import { buy, newAttempt, send, shoppers, snapshot, takeLease, unitsOf } from '../../testing/buying.ts';
import { testContext } from '../../testing/support.ts';

const context = await testContext();

let sale: Sale;
let lease: string;
let historyId: string;
beforeEach(async () => {
  sale = await context.insertSale({ seckillStock: 10 });
  lease = await takeLease(context, sale);
  ({ historyId } = await context.commands.clock(sale.shard));
});

const owner = (userId: string) => ({ userId, orderNo: `order of ${userId}`, quantity: 1 });
const finish = (owners: number, fields: Partial<Sale> = {}) =>
  context.commands.finishRebuild({ ...sale, ...fields }, lease, {
    historyId,
    owners,
    held: owners,
    available: 10 - owners,
  });

describe('a rebuild', () => {
  test('returns the history of Redis, stops the sale and deletes what an earlier rebuild left', async () => {
    await context.commands.beginRebuild(sale, lease);
    await context.commands.addOwners(sale, lease, [owner('left behind')]);
    expect(await context.commands.beginRebuild(sale, lease)).toBe(historyId);
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: false });
    await context.commands.addOwners(sale, lease, [owner('u1')]);
    expect(await finish(1)).toBe(true);
    expect(await unitsOf(context, sale)).toEqual({ available: 9, total: 10, owners: { u1: 'order of u1' } });
  });

  test('opens the sale with every fact of it in one step', async () => {
    await context.commands.beginRebuild(sale, lease);
    await context.commands.addOwners(sale, lease, shoppers(4).map(owner));
    expect(await finish(4, { version: 3 })).toBe(true);
    const { state, building } = context.keys.sale(sale);
    expect(await context.redis.hgetall(state)).toEqual({
      ready: '1',
      history_id: historyId,
      version: '3',
      available: '6',
      total: '10',
      start_ms: String(sale.startMs),
      end_ms: String(sale.endMs),
      price_cents: String(sale.priceCents),
      units_per_shopper: '1',
      extra_held: '0',
      taken_until_ms: expect.stringMatching(/^\d{13}$/),
    });
    expect(await context.redis.exists(building)).toBe(0);
  });

  test('replaces all owners, also with none', async () => {
    await context.commands.beginRebuild(sale, lease);
    await context.commands.addOwners(sale, lease, shoppers(4).map(owner));
    await finish(4);
    await context.commands.beginRebuild(sale, lease);
    expect(await finish(0)).toBe(true);
    expect(await unitsOf(context, sale)).toEqual({ available: 10, total: 10, owners: {} });
  });

  test('adds the same owners once, however often the call is sent', async () => {
    await context.commands.beginRebuild(sale, lease);
    for (let i = 0; i < 3; i += 1) await context.commands.addOwners(sale, lease, shoppers(3).map(owner));
    expect(await finish(3)).toBe(true);
  });

  test('is refused, and the sale stays stopped, if owners are missing or too many', async () => {
    await context.commands.beginRebuild(sale, lease);
    await context.commands.addOwners(sale, lease, shoppers(3).map(owner));
    const before = await snapshot(context, sale);
    for (const wrong of [0, 2, 4]) expect(await finish(wrong)).toBe(false);
    expect(await snapshot(context, sale)).toEqual(before);
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: false });
  });

  test('is refused if another history of Redis has begun since its start', async () => {
    await context.commands.beginRebuild(sale, lease);
    historyId = 'e'.repeat(40);
    const before = await snapshot(context, sale);
    expect(await finish(0)).toBe(false);
    expect(await snapshot(context, sale)).toEqual(before);
  });

  test('whose last call is sent again after a lost reply keeps later buys: it once deleted the owners', async () => {
    await context.commands.beginRebuild(sale, lease);
    expect(await finish(0)).toBe(true);
    await buy(context, sale, shoppers(3));
    const sold = await unitsOf(context, sale);
    expect(await finish(0)).toBe(true);
    expect(await unitsOf(context, sale)).toEqual(sold);
  });

  test('whose last call is sent again succeeds', async () => {
    await context.commands.beginRebuild(sale, lease);
    await context.commands.addOwners(sale, lease, shoppers(3).map(owner));
    expect([await finish(3), await finish(3)]).toEqual([true, true]);
    expect(await unitsOf(context, sale)).toMatchObject({ available: 7 });
  });

  test('loads the row’s pause, unless Redis has a newer one', async () => {
    const paused = async () => (await context.commands.readSale(sale)).paused;
    await context.commands.beginRebuild(sale, lease);
    await finish(0, { paused: true, pauseVersion: 3 });
    expect(await paused()).toBe(true);
    await context.commands.setPause(sale, 10, false);
    await context.commands.beginRebuild(sale, lease);
    await finish(0, { paused: true, pauseVersion: 9 });
    expect(await paused()).toBe(false);
    await context.commands.beginRebuild(sale, lease);
    await finish(0, { paused: true, pauseVersion: 11 });
    expect(await paused()).toBe(true);
  });

  test('does not change reservations, seckill tokens and statuses', async () => {
    await context.commands.beginRebuild(sale, lease);
    await finish(0);
    const attempt = await newAttempt(context, sale, shoppers(3));
    await send(context, attempt);
    const { state, owners, building, ...others } = context.keys.sale(sale);
    const kept = async () => {
      const all = Object.entries(await snapshot(context, sale));
      return Object.fromEntries(all.filter(([name]) => ![state, owners, building].includes(name)));
    };
    const before = await kept();
    await context.commands.beginRebuild(sale, lease);
    await context.commands.addOwners(sale, lease, attempt.items);
    expect(await finish(3)).toBe(true);
    expect(await kept()).toEqual(before);
    expect(Object.keys(before)).toContain(others.batches);
    expect((await send(context, attempt)).map(({ outcome }) => outcome)).toEqual(Array(3).fill('accepted'));
  });

  test('that crashed at any step leaves a stopped sale, which the next one opens', async () => {
    await context.commands.beginRebuild(sale, lease);
    await finish(0);
    const attempt = await newAttempt(context, sale, ['u9']);
    const steps = [
      () => context.commands.beginRebuild(sale, lease),
      () => context.commands.addOwners(sale, lease, shoppers(2).map(owner)),
      () => context.commands.addOwners(sale, lease, shoppers(4).map(owner)),
    ];
    for (let died = 1; died <= steps.length; died += 1) {
      for (const step of steps.slice(0, died)) await step();
      expect(await send(context, attempt)).toEqual([{ outcome: 'not_ready' }]);
      await context.redis.del(context.keys.sale(sale).lease);
      lease = await takeLease(context, sale);
      await context.commands.beginRebuild(sale, lease);
      await context.commands.addOwners(sale, lease, [owner('u1')]);
      expect(await finish(1)).toBe(true);
      expect(await unitsOf(context, sale)).toEqual({ available: 9, total: 10, owners: { u1: 'order of u1' } });
    }
  });
});
