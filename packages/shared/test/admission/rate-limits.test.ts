import { describe, expect, test } from 'vitest';
import type { Sale } from '../../src/sale/sale.ts';
import { connectRedis } from '../../src/platform/redis/client.ts';
import type { Admission, AdmitCall } from '../../src/admission/admission-commands.ts';
import { createCommands } from '../../src/commands.ts';
import { newAttempt, newCall, newItem, NO_LIMITS, send, shoppers } from '../../testing/buying.ts';
import { SOON } from '../../testing/soon.ts';
import { testContext } from '../../testing/support.ts';

const context = await testContext();

type Limits = Partial<AdmitCall['limits']>;

const nowMs = async (): Promise<number> => (await context.commands.clock(0)).nowMs;
const limited = (limits: Limits) => ({ limits: { ...NO_LIMITS, ...limits } });

/** A refill so slow that none happens within a test. */
const NEVER_PER_SECOND = 0.001;

/**
 * Sends buys for as long as `durationMs`, several at a time; how many got past the buckets, and
 * how long it took by Redis's clock.
 */
async function hammer(
  sale: Sale,
  limits: Limits,
  userOf: (i: number) => string,
  durationMs: number,
): Promise<{ passed: number; refused: number; elapsedMs: number }> {
  const connections = Array.from({ length: 4 }, () => connectRedis(context.config, 'background'));
  try {
    const call = await newCall(context, sale, limited(limits));
    const beganMs = await nowMs();
    const untilMs = performance.now() + durationMs;
    const counts = await Promise.all(
      connections.map(async (redis, n) => {
        const commands = createCommands(redis, context.keys);
        const count = { passed: 0, refused: 0 };
        for (let i = n; performance.now() < untilMs; i += connections.length) {
          // With a wrong seckill token: this answer means that the shopper has passed the buckets,
          // and does not become an owner, who skips them.
          const item = { userId: userOf(i), orderNo: 'order', quantity: 1, token: 'wrong', requestId: 'r' };
          const admissions = await commands.admit(sale, call, [item, item]);
          for (const { outcome } of admissions) {
            expect(['token_invalid', 'rate_limited']).toContain(outcome);
            count[outcome === 'token_invalid' ? 'passed' : 'refused'] += 1;
          }
        }
        return count;
      }),
    );
    return {
      passed: counts.reduce((sum, { passed }) => sum + passed, 0),
      refused: counts.reduce((sum, { refused }) => sum + refused, 0),
      elapsedMs: (await nowMs()) - beganMs,
    };
  } finally {
    for (const redis of connections) redis.disconnect();
  }
}

/** When the shopper's bucket is full again, µs; 0 if it was not used. */
async function bucketOf(shard: number, userId: string): Promise<number> {
  const found = await Promise.all(context.keys.userBuckets(shard).map((name) => context.redis.hget(name, userId)));
  return Math.max(...found.map(Number));
}

describe('a shopper’s bucket', () => {
  test('allows a burst and not one more', async () => {
    const sale = await context.openSale();
    const item = await newItem(context, sale, 'burst', { token: 'wrong' });
    const call = await newCall(context, sale, limited({ userCapacity: 5, userPerSecond: NEVER_PER_SECOND }));
    const answers: Admission[] = [];
    for (let i = 0; i < 12; i += 1) answers.push(...(await context.commands.admit(sale, call, [item])));
    expect(answers.map(({ outcome }) => outcome)).toEqual([
      ...Array<string>(5).fill('token_invalid'),
      ...Array<string>(7).fill('rate_limited'),
    ]);
    expect(answers[5]).toMatchObject({ limit: 'user' });
  });

  test('never allows more than burst + rate × time under concurrency, nor fewer', async () => {
    const sale = await context.openSale();
    const [burst, perSecond] = [5, 50];
    const limits = { userCapacity: burst, userPerSecond: perSecond };
    const { passed, refused, elapsedMs } = await hammer(sale, limits, () => 'hammer', 600);
    expect(refused).toBeGreaterThan(0);
    // The clock is read in whole milliseconds, so one more of them may have passed.
    expect(passed).toBeLessThanOrEqual(burst + (perSecond * (elapsedMs + 1)) / 1_000);
    // 600 ms were hammered; more than half of the refill is left for a machine that stalls, since a
    // full bucket fills no further.
    expect(passed).toBeGreaterThanOrEqual(burst + 0.4 * perSecond * 0.6);
  });

  test('is separate for each shopper', async () => {
    const sale = await context.openSale();
    const limits = limited({ userCapacity: 1, userPerSecond: NEVER_PER_SECOND });
    const users = shoppers(50).map((user) => `own-${user}`);
    const attempt = await newAttempt(context, sale, users, limits);
    const wrong = attempt.items.map((item) => ({ ...item, token: 'wrong' }));
    for (const outcome of ['token_invalid', 'rate_limited']) {
      const admissions = await context.commands.admit(sale, attempt.call, wrong);
      expect(admissions.map((admission) => admission.outcome)).toEqual(Array(50).fill(outcome));
    }
  });

  test('returns the wait, and allows the shopper after it', async () => {
    const sale = await context.openSale();
    const item = await newItem(context, sale, 'waiting', { token: 'wrong' });
    const call = await newCall(context, sale, limited({ userCapacity: 1, userPerSecond: 10 }));
    const beganMs = await nowMs();
    await context.commands.admit(sale, call, [item]);
    const [refused] = await context.commands.admit(sale, call, [item]);
    const refusedMs = await nowMs();
    if (refused?.outcome !== 'rate_limited') throw new Error(`expected rate_limited, got ${refused?.outcome}`);
    expect(refused.waitMs).toBeGreaterThan(0);
    expect(refused.waitMs).toBeLessThanOrEqual(100);
    // A shopper who waits as long as returned is allowed; one who does not wait is not, before one
    // interval has passed.
    for (;;) {
      const beforeMs = await nowMs();
      const [admission] = await context.commands.admit(sale, call, [item]);
      if (admission!.outcome === 'token_invalid') break;
      // Both times are whole milliseconds, rounded down: the refusal was up to one later than it
      // looks.
      expect(beforeMs).toBeLessThanOrEqual(refusedMs + refused.waitMs);
    }
    expect(await nowMs()).toBeGreaterThanOrEqual(beganMs + 99);
  });

  test('is gone soon after it is full again, so that inactive shoppers use no memory', async () => {
    const sale = await context.openSale({ shard: 16 });
    const item = await newItem(context, sale, 'gone', { token: 'wrong' });
    const call = await newCall(context, sale, limited({ userCapacity: 4, userPerSecond: 50 }));
    const names = context.keys.userBuckets(sale.shard);
    await context.commands.admit(sale, call, [item, item]);
    expect(await context.redis.exists(...names)).toBe(1);
    // A window of a second, and the next one.
    for (const name of names) expect(await context.redis.pttl(name)).toBeLessThanOrEqual(2_000);
    await expect.poll(() => context.redis.exists(...names), SOON).toBe(0);
  });

  test('is the same in all sales of a shard', async () => {
    const [a, b] = [await context.openSale(), await context.openSale()];
    const limits = limited({ userCapacity: 1, userPerSecond: NEVER_PER_SECOND });
    const item = await newItem(context, a, 'two sales', { userId: 'two-sales', token: 'wrong' });
    expect(await context.commands.admit(a, await newCall(context, a, limits), [item])).toMatchObject([
      { outcome: 'token_invalid' },
    ]);
    expect(await context.commands.admit(b, await newCall(context, b, limits), [item])).toMatchObject([
      { outcome: 'rate_limited' },
    ]);
  });

  test('is not used by a buy that fails earlier, nor by an owner’s retry', async () => {
    const sale = await context.openSale({ seckillStock: 1 });
    const limits = limited({ userCapacity: 1, userPerSecond: NEVER_PER_SECOND });
    const attempt = await newAttempt(context, sale, ['owner'], limits);
    for (let i = 0; i < 3; i += 1) expect(await send(context, attempt)).toEqual([{ outcome: 'accepted' }]);
    const late = await newAttempt(context, sale, ['late'], limits);
    for (let i = 0; i < 3; i += 1) expect(await send(context, late)).toEqual([{ outcome: 'sold_out', available: 0 }]);
    expect(await bucketOf(sale.shard, 'late')).toBe(0);
  });

  test('holds from one window of time to the next, also when the names of the windows come again', async () => {
    const sale = await context.openSale({ shard: 17 });
    const limits = { userCapacity: 5, userPerSecond: 5 };
    const { passed, elapsedMs } = await hammer(sale, limits, () => 'steady', 4_200);
    expect(passed).toBeLessThanOrEqual(5 + Math.ceil((5 * elapsedMs) / 1_000));
    expect(passed).toBeGreaterThanOrEqual(5 + 5 * 4 - 1);
  });
});

describe('the global bucket', () => {
  // Each test has a shard, and so a global bucket, of its own.
  test('allows a burst of different shoppers and not one more, within one batch', async () => {
    const sale = await context.openSale({ shard: 11, seckillStock: 100 });
    const limits = limited({ globalCapacity: 10, globalPerSecond: NEVER_PER_SECOND });
    const attempt = await newAttempt(context, sale, shoppers(30), limits);
    const admissions = await send(context, attempt);
    expect(admissions.map(({ outcome }) => outcome)).toEqual([
      ...Array<string>(10).fill('accepted'),
      ...Array<string>(20).fill('rate_limited'),
    ]);
    expect(admissions[10]).toMatchObject({ limit: 'global' });
  });

  test('never allows more than burst + rate × time under concurrency, nor fewer', async () => {
    const sale = await context.openSale({ shard: 12 });
    const [burst, perSecond] = [20, 200];
    const limits = { globalCapacity: burst, globalPerSecond: perSecond };
    const { passed, refused, elapsedMs } = await hammer(sale, limits, (i) => `crowd-${i}`, 600);
    expect(refused).toBeGreaterThan(0);
    expect(passed).toBeLessThanOrEqual(burst + (perSecond * (elapsedMs + 1)) / 1_000);
    expect(passed).toBeGreaterThanOrEqual(burst + 0.4 * perSecond * 0.6);
  });

  test('is not used by a shopper whose own bucket is empty: one shopper cannot use up the limit of all', async () => {
    const sale = await context.openSale({ shard: 13 });
    const limits = limited({
      globalCapacity: 3,
      globalPerSecond: NEVER_PER_SECOND,
      userCapacity: 1,
      userPerSecond: NEVER_PER_SECOND,
    });
    const greedy = await newItem(context, sale, 'greedy', { token: 'wrong' });
    const [first, second] = [await newItem(context, sale, 'u1'), await newItem(context, sale, 'u2')];
    const call = await newCall(context, sale, limits);
    const admissions = await context.commands.admit(sale, call, [greedy, greedy, greedy, greedy, first, second]);
    expect(admissions.map(({ outcome }) => outcome)).toEqual([
      'token_invalid',
      'rate_limited',
      'rate_limited',
      'rate_limited',
      'accepted',
      'accepted',
    ]);
  });

  test('refuses without using the shopper’s own', async () => {
    const sale = await context.openSale({ shard: 14 });
    const limits = limited({ globalCapacity: 0, globalPerSecond: 1 });
    const attempt = await newAttempt(context, sale, ['u1'], limits);
    expect(await send(context, attempt)).toMatchObject([{ outcome: 'rate_limited', limit: 'global' }]);
    expect(await bucketOf(14, 'u1')).toBe(0);
  });

  test('may hold a fraction, as the share of one of several shards does', async () => {
    const sale = await context.openSale({ shard: 15, seckillStock: 100 });
    const limits = limited({ globalCapacity: 10 / 3, globalPerSecond: NEVER_PER_SECOND });
    const admissions = await send(context, await newAttempt(context, sale, shoppers(10), limits));
    expect(admissions.filter(({ outcome }) => outcome === 'accepted')).toHaveLength(3);
  });
});

test.each(['global', 'user'] as const)(
  'a clock that was set back by half a minute keeps no buy waiting: its %s bucket begins anew',
  async (which) => {
    const sale = await context.openSale();
    const item = await newItem(context, sale, 'u1');
    // As buys of the time before the step have left it.
    const aheadUs = ((await nowMs()) + 30_000) * 1_000;
    if (which === 'global') await context.redis.set(context.keys.globalBucket(0), aheadUs, 'PX', 30_000);
    else for (const name of context.keys.userBuckets(0)) await context.redis.hset(name, 'u1', aheadUs);
    const limits = { [`${which}_capacity`]: 5, [`${which}_per_second`]: 5 };
    const call = await newCall(context, sale, limited(limits));
    expect(await context.commands.admit(sale, call, [item])).toEqual([{ outcome: 'accepted' }]);
    const full = which === 'global' ? Number(await context.redis.get(context.keys.globalBucket(0))) : 0;
    expect(full).toBeLessThanOrEqual(((await nowMs()) + 1_000) * 1_000);
    expect(await context.commands.admit(sale, await newCall(context, sale, limited(limits)), [item])).toMatchObject([
      { outcome: 'replayed' },
    ]);
    await context.redis.del(context.keys.globalBucket(0), ...context.keys.userBuckets(0));
  },
);
