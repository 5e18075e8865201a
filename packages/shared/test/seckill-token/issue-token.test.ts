import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Sale } from '../../src/sale/sale.ts';
import { buy, newAttempt, send, snapshot, takeLease } from '../../testing/buying.ts';
import { openTestContext, type TestContext } from '../../testing/support.ts';

let context: TestContext;
beforeAll(async () => {
  context = await openTestContext();
});
afterAll(() => context.close());

const LIFE_MS = 60_000;

describe('a seckill token is issued', () => {
  test('once: a repeat, or a parallel request, gets the same one while it lives', async () => {
    const sale = await context.openSale();
    const asked = Array.from({ length: 20 }, (_, i) => context.commands.issueToken(sale, 'u1', `token-${i}`, LIFE_MS));
    const issued = new Set(await Promise.all(asked));
    expect(issued.size).toBe(1);
    const [token] = issued;
    const expiresMs = await context.redis.pexpiretime(context.keys.seckillToken(sale, 'u1'));
    expect(await context.commands.issueToken(sale, 'u1', 'another', 2 * LIFE_MS)).toBe(token);
    // Asking again does not make it live longer than its expiry, which is inside it, says.
    expect(await context.redis.pexpiretime(context.keys.seckillToken(sale, 'u1'))).toBe(expiresMs);
  });

  test('separately for each shopper and each sale', async () => {
    const [a, b] = [await context.openSale(), await context.openSale()];
    expect(await context.commands.issueToken(a, 'u1', 'a1', LIFE_MS)).toBe('a1');
    expect(await context.commands.issueToken(a, 'u2', 'a2', LIFE_MS)).toBe('a2');
    expect(await context.commands.issueToken(a, 'U1', 'a3', LIFE_MS)).toBe('a3');
    expect(await context.commands.issueToken(b, 'u1', 'b1', LIFE_MS)).toBe('b1');
  });

  test('with the given life, and a new one after that', async () => {
    const sale = await context.openSale();
    expect(await context.commands.issueToken(sale, 'u1', 'short', 5)).toBe('short');
    await expect.poll(() => context.redis.exists(context.keys.seckillToken(sale, 'u1'))).toBe(0);
    expect(await context.commands.issueToken(sale, 'u1', 'next', LIFE_MS)).toBe('next');
    const lifeMs = await context.redis.pttl(context.keys.seckillToken(sale, 'u1'));
    expect(lifeMs).toBeGreaterThan(LIFE_MS - 10_000);
    expect(lifeMs).toBeLessThanOrEqual(LIFE_MS);
  });

  test('again after it was consumed, so that a shopper whose order was closed can buy again', async () => {
    const sale = await context.openSale();
    const owners = await buy(context, sale, ['u1']);
    expect(await context.commands.issueToken(sale, 'u1', 'after', LIFE_MS)).toBe('after');
    // Still an owner: the new one buys no second unit.
    const attempt = await newAttempt(context, sale, ['u1']);
    expect(await send(context, attempt)).toEqual([{ outcome: 'replayed', orderNo: owners[0]!.orderNo }]);
    await context.commands.giveBack(sale, await takeLease(context, sale), owners);
    expect(await send(context, attempt)).toEqual([{ outcome: 'accepted' }]);
  });

  test('again in place of one that does not verify any more, and only of that one', async () => {
    const sale = await context.openSale();
    await context.commands.issueToken(sale, 'u1', 'old', LIFE_MS);
    expect(await context.commands.issueToken(sale, 'u1', 'new', LIFE_MS, { replacing: 'old' })).toBe('new');
    // A racing request that saw the old one does not replace its successor, nor does the same call
    // sent twice.
    expect(await context.commands.issueToken(sale, 'u1', 'newer', LIFE_MS, { replacing: 'old' })).toBe('new');
    expect(await context.commands.issueToken(sale, 'u1', 'new', LIFE_MS, { replacing: 'old' })).toBe('new');
  });

  test('before the start and while paused or sold out, so that shoppers are ready when units are', async () => {
    const soonMs = Date.now() + 3_600_000;
    const scheduled = await context.openSale({ startMs: soonMs, endMs: soonMs + 1_000 });
    expect(await context.commands.issueToken(scheduled, 'u1', 'early', LIFE_MS)).toBe('early');
    const sale = await context.openSale({ seckillStock: 1 });
    await buy(context, sale, ['u1']);
    await context.commands.setPause(sale, 1, true);
    expect(await context.commands.issueToken(sale, 'u2', 'patient', LIFE_MS)).toBe('patient');
  });
});

describe('no seckill token is issued', () => {
  test('by a sale that has ended', async () => {
    const sale = await context.openSale();
    const { nowMs } = await context.commands.clock(0);
    await context.redis.hset(context.keys.sale(sale).state, { end_ms: nowMs });
    const before = await snapshot(context, sale);
    expect(await context.commands.issueToken(sale, 'u1', 'late', LIFE_MS)).toBe('ended');
    expect(await snapshot(context, sale)).toEqual(before);
  });

  test.each([
    ['is stopped by a rebuild', { ready: '0' }],
    ['was loaded in another history of Redis', { history_id: 'e'.repeat(40) }],
  ])('by a sale that %s', async (_, state) => {
    const sale = await context.openSale();
    await context.redis.hset(context.keys.sale(sale).state, state);
    const before = await snapshot(context, sale);
    expect(await context.commands.issueToken(sale, 'u1', 'too soon', LIFE_MS)).toBe('not_ready');
    expect(await snapshot(context, sale)).toEqual(before);
  });

  test('by a sale that Redis does not have', async () => {
    const sale = await context.insertSale();
    expect(await context.commands.issueToken(sale, 'u1', 'unknown', LIFE_MS)).toBe('not_ready');
  });
});

describe('with a limit of live seckill tokens per unit of a sale', () => {
  const ask = (sale: Sale, userId: string, lifeMs = LIFE_MS) =>
    context.commands.issueToken(sale, userId, `token-of-${userId}`, lifeMs, { tokensPerUnit: 2 });
  const users = (count: number, name = 'u') => Array.from({ length: count }, (_, i) => `${name}${i}`);

  test('exactly as many are issued, however many shoppers ask at once; a shopper with one gets it again', async () => {
    const sale = await context.openSale({ seckillStock: 5 });
    const answers = await Promise.all(users(200).map((user) => ask(sale, user)));
    const issued = answers.filter((answer) => answer.startsWith('token-of-'));
    expect(issued).toHaveLength(10);
    expect(new Set(answers.filter((answer) => !issued.includes(answer)))).toEqual(new Set(['tokens_exhausted']));
    const holder = issued[0]!.slice('token-of-'.length);
    expect(await ask(sale, holder)).toBe(issued[0]);
    expect(await ask(sale, 'late')).toBe('tokens_exhausted');
    // Another sale has its own.
    expect(await ask(await context.openSale({ seckillStock: 1 }), 'late')).toBe('token-of-late');
  });

  test('a refused one leaves nothing behind', async () => {
    const sale = await context.openSale({ seckillStock: 1 });
    await Promise.all(users(2).map((user) => ask(sale, user)));
    const { liveTokens } = context.keys.sale(sale);
    const before = await context.redis.zrange(liveTokens, '0', '-1', 'WITHSCORES');
    expect(await ask(sale, 'late')).toBe('tokens_exhausted');
    expect(await context.redis.zrange(liveTokens, '0', '-1', 'WITHSCORES')).toEqual(before);
    expect(await context.redis.exists(context.keys.seckillToken(sale, 'late'))).toBe(0);
  });

  test('a used one makes room, and so does an expired one, in any number', async () => {
    const sale = await context.openSale({ seckillStock: 150 });
    await Promise.all(users(300, 'brief').map((user) => ask(sale, user)));
    expect(await ask(sale, 'early')).toBe('tokens_exhausted');
    await Promise.all(
      users(300, 'brief').map(async (user) => {
        await context.redis.zadd(context.keys.sale(sale).liveTokens, 'XX', 1, user);
        await context.redis.del(context.keys.seckillToken(sale, user));
      }),
    );
    // More have expired than one call removes: they are not counted all the same.
    const answers = await Promise.all(users(300).map((user) => ask(sale, user)));
    expect(answers.filter((answer) => answer === 'tokens_exhausted')).toEqual([]);
    expect(await ask(sale, 'late')).toBe('tokens_exhausted');

    const attempt = await newAttempt(context, sale, ['u7']);
    expect(attempt.items[0]!.token).toBe('token-of-u7');
    expect(await send(context, attempt)).toEqual([{ outcome: 'accepted' }]);
    expect(await ask(sale, 'late')).toBe('token-of-late');
    expect(await ask(sale, 'later')).toBe('tokens_exhausted');
  });

  test('its keys expire', async () => {
    const sale = await context.openSale({ seckillStock: 1 });
    await ask(sale, 'u0', 60_000);
    await ask(sale, 'u1', 1_000);
    const lifeMs = await context.redis.pttl(context.keys.sale(sale).liveTokens);
    expect(lifeMs).toBeGreaterThan(50_000);
    expect(lifeMs).toBeLessThanOrEqual(60_000);
  });
});

describe('after its challenge was solved', () => {
  const ask = (sale: Sale, userId: string, token: string, id = 'c1') =>
    context.commands.issueToken(sale, userId, token, LIFE_MS, { challenge: { id, lifeMs: 60_000 } });

  test('it buys one seckill token; a repeat after a lost answer gets that one', async () => {
    const sale = await context.openSale();
    expect(await ask(sale, 'u1', 'first')).toBe('first');
    expect(await ask(sale, 'u1', 'again')).toBe('first');
    await context.redis.del(context.keys.seckillToken(sale, 'u1'));
    expect(await ask(sale, 'u1', 'second')).toBe('challenge_required');
    expect(await ask(sale, 'u2', 'other')).toBe('challenge_required');
    expect(await ask(sale, 'u1', 'second', 'c2')).toBe('second');
  });

  test('a refused seckill token does not spend it', async () => {
    const sale = await context.openSale();
    await context.redis.hset(context.keys.sale(sale).state, { ready: '0' });
    expect(await ask(sale, 'u1', 'first', 'c3')).toBe('not_ready');
    await context.redis.hset(context.keys.sale(sale).state, { ready: '1' });
    expect(await ask(sale, 'u1', 'first', 'c3')).toBe('first');
  });

  test('it is remembered for as long as it could be sent', async () => {
    const sale = await context.openSale();
    await ask(sale, 'u1', 'first', 'c4');
    const lifeMs = await context.redis.pttl(context.keys.challenge(sale.shard, 'c4'));
    expect(lifeMs).toBeGreaterThan(50_000);
  });
});
