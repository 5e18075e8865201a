import { describe, expect, test } from 'vitest';
import type { Sale } from '../../src/sale/sale.ts';
import { connectRedis } from '../../src/platform/redis/client.ts';
import { createCommands } from '../../src/commands.ts';
import {
  buy,
  issueToken,
  liveTokenOf,
  newAttempt,
  newCall,
  newItem,
  putToken,
  recordToken,
  send,
  shoppers,
  takeLease,
  unitsOf,
} from '../../testing/buying.ts';
import { ordersOf, settle, settlementsFor } from '../../testing/settling.ts';
import { testContext } from '../../testing/support.ts';
import { REFUSALS, buyWith, changingNothing, outcomes, setState } from './admitting.ts';

const context = await testContext();

describe('an accepted buy', () => {
  test('takes one unit, with its owner, its batch and its consumed seckill token in one step', async () => {
    const sale = await context.openSale({ seckillStock: 3, priceCents: 1_999 });
    const { state, owners, batches, batchTimes } = context.keys.sale(sale);
    const item = await newItem(context, sale, 'u1', { requestId: 'request-7' });
    const call = await newCall(context, sale, { batchNo: 'batch-7' });
    const askedMs = (await context.commands.clock(0)).nowMs;
    expect(await context.commands.admit(sale, call, [item])).toEqual([{ outcome: 'accepted' }]);
    const answeredMs = (await context.commands.clock(0)).nowMs;

    expect(await context.redis.hget(state, 'available')).toBe('2');
    expect(await context.redis.hgetall(owners)).toEqual({ u1: item.orderNo });
    const record = await context.redis.hget(batches, 'batch-7');
    const admittedMs = Number(record!.split(' ')[0]);
    expect(record).toBe(`${admittedMs} 1999 1\n${item.orderNo} u1 request-7`);
    expect(admittedMs).toBeGreaterThanOrEqual(askedMs);
    expect(admittedMs).toBeLessThanOrEqual(answeredMs);
    expect(await context.redis.zscore(batchTimes, 'batch-7')).toBe(String(admittedMs));
    expect(await liveTokenOf(context, sale, 'u1')).toBeUndefined();
  });

  test('distinguishes shoppers by the bytes of their ids: four look-alikes are four shoppers', async () => {
    const sale = await context.openSale({ seckillStock: 4 });
    const users = ['u1', 'U1', 'u1_', "'u1'"];
    await buy(context, sale, users);
    expect(Object.keys((await unitsOf(context, sale)).owners).toSorted()).toEqual(users.toSorted());
  });

  test('survives hostile shopper ids that look like marks, patterns and hash tags', async () => {
    const users = ['#1', '{1}', '%s', '*', '0', '-1', 'a:b', ':', '""', '\\', 'u'.repeat(255)];
    const sale = await context.openSale({ seckillStock: users.length });
    const owners = await buy(context, sale, users);
    expect((await unitsOf(context, sale)).owners).toEqual(
      Object.fromEntries(owners.map(({ userId, orderNo }) => [userId, orderNo])),
    );
    const reservations = await context.commands.allReservations(sale);
    expect(reservations.map(({ userId }) => userId)).toEqual(users);
  });
});

describe('the order of the checks', () => {
  const codes = Object.keys(REFUSALS) as (keyof typeof REFUSALS)[];
  // A sale can be before its start and after its end, if it was ended before it started.
  test.each(codes)('%s has priority over later checks, and changes nothing', async (code) => {
    const sale = await context.openSale();
    for (const later of codes.slice(codes.indexOf(code))) await REFUSALS[later](context, sale);
    const item = await newItem(context, sale, 'u1', { token: 'nobody issued this' });
    const call = await newCall(context, sale, {
      backlogMax: 0,
      limits: { globalCapacity: 0, globalPerSecond: 1, userCapacity: 0, userPerSecond: 1 },
    });
    const [admission] = await changingNothing(context, sale, () => context.commands.admit(sale, call, [item]));
    expect(admission).toMatchObject({ outcome: code });
  });

  test('an owner gets their order in any state of a ready sale, without a unit, a bucket or a seckill token', async () => {
    const sale = await context.openSale();
    const [owner] = await buy(context, sale, ['u1']);
    for (const code of codes.slice(1)) await REFUSALS[code](context, sale);
    const limits = { globalCapacity: 0, globalPerSecond: 1, userCapacity: 0, userPerSecond: 1 };
    const admission = await changingNothing(context, sale, () =>
      buyWith(context, sale, { backlogMax: 0, limits }, { token: 'nobody issued this' }),
    );
    expect(admission).toEqual({ outcome: 'replayed', orderNo: owner!.orderNo, quantity: 1 });
  });

  test('a full backlog is checked before a bucket, and an empty bucket before the seckill token', async () => {
    const sale = await context.openSale();
    const empty = { globalCapacity: 0, globalPerSecond: 1, userCapacity: 0, userPerSecond: 1 };
    const wrong = { token: 'nobody issued this' };
    expect((await buyWith(context, sale, { backlogMax: 0, limits: empty }, wrong)).outcome).toBe('overloaded');
    expect((await buyWith(context, sale, { shardBacklogMax: 0, limits: empty }, wrong)).outcome).toBe('overloaded');
    expect(await buyWith(context, sale, { limits: empty }, wrong)).toMatchObject({
      outcome: 'rate_limited',
      limit: 'global',
    });
    expect(await buyWith(context, sale, { limits: { ...empty, globalCapacity: 1_000_000 } }, wrong)).toMatchObject({
      outcome: 'rate_limited',
      limit: 'user',
    });
    expect((await buyWith(context, sale, {}, wrong)).outcome).toBe('token_invalid');
  });
});

describe('a sale', () => {
  test('sells only inside [start_time, end_time) by Redis’s clock, to the millisecond', async () => {
    const sale = await context.openSale({ seckillStock: 100_000 });
    const soon = async () => (await context.commands.clock(0)).nowMs + 20;
    let opensMs = await soon();
    let closesMs = Number.MAX_SAFE_INTEGER;
    await setState(context, sale, { start_ms: opensMs, end_ms: closesMs });
    const call = await newCall(context, sale);
    const seen = new Set<string>();
    for (let i = 0; !seen.has('ended'); i += 1) {
      const token = 'the same for all';
      await putToken(context, sale, `u${i}`, token);
      const item = await newItem(context, sale, `u${i}`, { token });
      const { nowMs: beforeMs } = await context.commands.clock(0);
      const [admission] = await context.commands.admit(sale, { ...call, batchNo: `batch-${i}` }, [item]);
      const { nowMs: afterMs } = await context.commands.clock(0);
      seen.add(admission!.outcome);
      // The call was decided at some time between the two readings, so at a boundary two answers
      // may be right.
      const right = [beforeMs, afterMs].map((ms) =>
        ms < opensMs ? 'not_started' : ms < closesMs ? 'accepted' : 'ended',
      );
      expect(right).toContain(admission!.outcome);
      // However slow the machine, each of the three is seen before the next boundary is set.
      if (!seen.has('not_started')) opensMs = await soon();
      else if (seen.has('accepted') && closesMs === Number.MAX_SAFE_INTEGER) closesMs = await soon();
      await setState(context, sale, { start_ms: opensMs, end_ms: closesMs });
    }
    expect(seen).toEqual(new Set(['not_started', 'accepted', 'ended']));
    const admitted = (await context.commands.allReservations(sale)).map(({ admittedMs }) => admittedMs);
    expect(Math.max(...admitted)).toBeLessThan(closesMs);
  });

  test('that starts and ends in the same millisecond has ended: the start is inside, the end is not', async () => {
    const sale = await context.openSale();
    const { nowMs } = await context.commands.clock(0);
    await setState(context, sale, { start_ms: nowMs, end_ms: nowMs });
    expect((await buyWith(context, sale)).outcome).toBe('ended');
  });

  test('sells its last unit once: the rest of the batch gets sold_out', async () => {
    const sale = await context.openSale({ seckillStock: 3 });
    const attempt = await newAttempt(context, sale, shoppers(5));
    expect(outcomes(await send(context, attempt))).toEqual([
      'accepted',
      'accepted',
      'accepted',
      'sold_out',
      'sold_out',
    ]);
    expect(await unitsOf(context, sale)).toMatchObject({ available: 0, total: 3 });
    // A sold-out answer left the seckill tokens alone: they buy as soon as a unit comes back.
    const [first] = attempt.items;
    const lease = await takeLease(context, sale);
    expect(await context.commands.giveBack(sale, lease, [first!])).toBe(1);
    const again = await newCall(context, sale);
    expect(outcomes(await context.commands.admit(sale, again, attempt.items.slice(3)))).toEqual([
      'accepted',
      'sold_out',
    ]);
  });

  test('with fewer than zero units, after a change by hand, sells nothing', async () => {
    const sale = await context.openSale();
    await setState(context, sale, { available: -1 });
    expect((await changingNothing(context, sale, () => buyWith(context, sale, {}, { token: 'any' }))).outcome).toBe(
      'sold_out',
    );
  });

  test('admits exactly as many of 2,000 shoppers on 8 connections as it has units, with each call sent twice', async () => {
    const sale = await context.openSale({ seckillStock: 137 });
    const connections = Array.from({ length: 8 }, () => connectRedis(context.config, 'background'));
    try {
      const crowd = connections.map((redis) => createCommands(redis, context.keys));
      const users = shoppers(2_000);
      const batches = Array.from({ length: 80 }, (_, i) => users.slice(i * 25, i * 25 + 25));
      const attempts = await Promise.all(batches.map((batch) => newAttempt(context, sale, batch)));
      const rounds = await Promise.all(
        attempts.map(({ call, items }, i) =>
          Promise.all([0, 3].map((shift) => crowd[(i + shift) % crowd.length]!.admit(sale, call, items))),
        ),
      );
      const accepted = attempts.flatMap(({ items }, i) =>
        items.filter((_, n) => rounds[i]!.some((admissions) => admissions[n]!.outcome === 'accepted')),
      );
      expect(accepted).toHaveLength(137);
      expect(await unitsOf(context, sale)).toEqual({
        available: 0,
        total: 137,
        owners: Object.fromEntries(accepted.map(({ userId, orderNo }) => [userId, orderNo])),
      });
      expect(await context.commands.backlog(sale)).toBe(137);
    } finally {
      for (const redis of connections) redis.disconnect();
    }
  });

  test('is independent of another: two at once, with one shopper in both', async () => {
    const [a, b] = await Promise.all([context.openSale({ seckillStock: 1 }), context.openSale({ seckillStock: 1 })]);
    const [ownerOfA, ownerOfB] = [await buy(context, a, ['u1']), await buy(context, b, ['u1'])];
    expect((await unitsOf(context, a)).owners).toEqual({ u1: ownerOfA[0]!.orderNo });
    expect((await unitsOf(context, b)).owners).toEqual({ u1: ownerOfB[0]!.orderNo });
    // A seckill token of one sale buys nothing in the other.
    const c = await context.openSale();
    const token = await issueToken(context, a, 'u2');
    expect((await buyWith(context, c, {}, { token }, 'u2')).outcome).toBe('token_invalid');
  });

  test('continues after SCRIPT FLUSH between calls', async () => {
    const sale = await context.openSale({ seckillStock: 3 });
    for (const user of ['u1', 'u2', 'u3']) {
      await context.redis.call('SCRIPT', 'FLUSH');
      await buy(context, sale, [user]);
    }
    expect(await unitsOf(context, sale)).toMatchObject({ available: 0 });
  });
});

describe('a seckill token', () => {
  test.each([
    ['that was never issued', async () => 'nobody issued this'],
    ['of another shopper', (sale: Sale) => issueToken(context, sale, 'u2')],
    [
      'that expired',
      async (sale: Sale) => {
        const token = await issueToken(context, sale, 'u1', 1);
        // The hash must not expire between the two snapshots.
        await Promise.all(context.keys.seckillTokens(sale).map((name) => context.redis.persist(name)));
        await expect.poll(() => liveTokenOf(context, sale, 'u1')).toBeUndefined();
        return token;
      },
    ],
    [
      'that was replaced',
      async (sale: Sale) => {
        const token = await issueToken(context, sale, 'u1');
        await recordToken(context, sale, 'u1', 'a newer one', { lifeMs: 60_000, replacing: token });
        return token;
      },
    ],
    ['that is empty', async () => ''],
    ['that is a part of the recorded one', async (sale: Sale) => (await issueToken(context, sale, 'u1')).slice(0, -1)],
  ])('%s is refused and changes nothing', async (_, tokenOf) => {
    const sale = await context.openSale();
    const token = await tokenOf(sale);
    expect((await changingNothing(context, sale, () => buyWith(context, sale, {}, { token }))).outcome).toBe(
      'token_invalid',
    );
  });
});

describe('the backlog bound', () => {
  test('sheds the buy that would exceed it within a batch, and lets buyers in again as orders are settled', async () => {
    const sale = await context.openSale();
    const attempt = await newAttempt(context, sale, shoppers(4), { backlogMax: 2 });
    expect(outcomes(await send(context, attempt))).toEqual(['accepted', 'accepted', 'overloaded', 'overloaded']);
    const others = { items: attempt.items.slice(2), sale };
    const sendOthers = async () => send(context, { ...others, call: await newCall(context, sale, { backlogMax: 2 }) });
    expect(outcomes(await changingNothing(context, sale, sendOthers))).toEqual(['overloaded', 'overloaded']);
    const lease = await takeLease(context, sale);
    await settle(context, sale, lease, await ordersOf(context, sale, [attempt.items[0]!.orderNo]));
    expect(outcomes(await sendOthers())).toEqual(['accepted', 'overloaded']);
  });

  test('of a shard counts all its sales, and falls as orders of any of them are settled', async () => {
    const shard = 7;
    const [a, b] = [await context.openSale({ shard }), await context.openSale({ shard })];
    const elsewhere = await context.openSale({ shard: 8 });
    const bound = { shardBacklogMax: 3 };
    const ofA = await newAttempt(context, a, shoppers(2), bound);
    const ofB = await newAttempt(context, b, shoppers(2), bound);
    expect(outcomes(await send(context, ofA))).toEqual(['accepted', 'accepted']);
    expect(outcomes(await send(context, ofB))).toEqual(['accepted', 'overloaded']);
    expect(outcomes(await send(context, await newAttempt(context, elsewhere, ['u1'], bound)))).toEqual(['accepted']);

    const lease = await takeLease(context, a);
    const numbers = ofA.items.map(({ orderNo }) => orderNo);
    const orders = await ordersOf(context, a, numbers);
    const settlements = await settlementsFor(context, a, orders);
    await context.commands.settle(a, lease, 60_000, settlements);
    // Settled twice, counted once.
    await context.commands.settle(a, lease, 60_000, settlements);
    expect(await context.redis.get(context.keys.backlog(shard))).toBe('1');
    const again = { sale: b, call: await newCall(context, b, bound), items: ofB.items.slice(1) };
    expect(outcomes(await send(context, again))).toEqual(['accepted']);
  });
});
