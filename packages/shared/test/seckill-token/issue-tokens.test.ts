import { describe, expect, test } from 'vitest';
import type { Sale } from '../../src/sale/sale.ts';
import {
  buy,
  liveTokenOf,
  loseToken,
  newAttempt,
  recordToken,
  send,
  snapshot,
  takeLease,
} from '../../testing/buying.ts';
import { testContext } from '../../testing/support.ts';

const context = await testContext();

const LIFE_MS = 60_000;

describe('a seckill token is issued', () => {
  test('once: a repeat, or a parallel request, gets the same one while it lives', async () => {
    const sale = await context.openSale();
    const asked = Array.from({ length: 20 }, (_, i) =>
      recordToken(context, sale, 'u1', `token-${i}`, { lifeMs: LIFE_MS }),
    );
    const issued = new Set(await Promise.all(asked));
    expect(issued.size).toBe(1);
    const [token] = issued;
    const { expiresMs } = (await liveTokenOf(context, sale, 'u1'))!;
    expect(await recordToken(context, sale, 'u1', 'another', { lifeMs: 2 * LIFE_MS })).toBe(token);
    // Asking again does not make it live longer than its expiry, which is inside it, says.
    expect(await liveTokenOf(context, sale, 'u1')).toEqual({ token, expiresMs });
  });

  test('separately for each shopper and each sale', async () => {
    const [a, b] = [await context.openSale(), await context.openSale()];
    expect(await recordToken(context, a, 'u1', 'a1', { lifeMs: LIFE_MS })).toBe('a1');
    expect(await recordToken(context, a, 'u2', 'a2', { lifeMs: LIFE_MS })).toBe('a2');
    expect(await recordToken(context, a, 'U1', 'a3', { lifeMs: LIFE_MS })).toBe('a3');
    expect(await recordToken(context, b, 'u1', 'b1', { lifeMs: LIFE_MS })).toBe('b1');
  });

  test('with the given life, and a new one after that', async () => {
    const sale = await context.openSale();
    expect(await recordToken(context, sale, 'u1', 'short', { lifeMs: 5 })).toBe('short');
    await expect.poll(() => liveTokenOf(context, sale, 'u1')).toBeUndefined();
    const { nowMs: beforeMs } = await context.commands.clock(0);
    expect(await recordToken(context, sale, 'u1', 'next', { lifeMs: LIFE_MS })).toBe('next');
    const { nowMs: afterMs } = await context.commands.clock(0);
    const { expiresMs } = (await liveTokenOf(context, sale, 'u1'))!;
    expect(expiresMs).toBeGreaterThanOrEqual(beforeMs + LIFE_MS);
    expect(expiresMs).toBeLessThanOrEqual(afterMs + LIFE_MS);
  });

  test('again after it was consumed, so that a shopper whose order was closed can buy again', async () => {
    const sale = await context.openSale();
    const owners = await buy(context, sale, ['u1']);
    expect(await recordToken(context, sale, 'u1', 'after', { lifeMs: LIFE_MS })).toBe('after');
    // Still an owner: the new one buys no second unit.
    const attempt = await newAttempt(context, sale, ['u1']);
    expect(await send(context, attempt)).toEqual([{ outcome: 'replayed', orderNo: owners[0]!.orderNo, quantity: 1 }]);
    await context.commands.giveBack(sale, await takeLease(context, sale), owners);
    expect(await send(context, attempt)).toEqual([{ outcome: 'accepted' }]);
  });

  test('again in place of one that does not verify any more, and only of that one', async () => {
    const sale = await context.openSale();
    await recordToken(context, sale, 'u1', 'old', { lifeMs: LIFE_MS });
    expect(await recordToken(context, sale, 'u1', 'new', { lifeMs: LIFE_MS, replacing: 'old' })).toBe('new');
    // A racing request that saw the old one does not replace its successor, nor does the same call
    // sent twice.
    expect(await recordToken(context, sale, 'u1', 'newer', { lifeMs: LIFE_MS, replacing: 'old' })).toBe('new');
    expect(await recordToken(context, sale, 'u1', 'new', { lifeMs: LIFE_MS, replacing: 'old' })).toBe('new');
  });

  test('before the start and while paused or sold out, so that shoppers are ready when units are', async () => {
    const soonMs = Date.now() + 3_600_000;
    const scheduled = await context.openSale({ startMs: soonMs, endMs: soonMs + 1_000 });
    expect(await recordToken(context, scheduled, 'u1', 'early', { lifeMs: LIFE_MS })).toBe('early');
    const sale = await context.openSale({ seckillStock: 1 });
    await buy(context, sale, ['u1']);
    await context.commands.setPause(sale, 1, true);
    expect(await recordToken(context, sale, 'u2', 'patient', { lifeMs: LIFE_MS })).toBe('patient');
  });
});

describe('no seckill token is issued', () => {
  test('by a sale that has ended', async () => {
    const sale = await context.openSale();
    const { nowMs } = await context.commands.clock(0);
    await context.redis.hset(context.keys.sale(sale).state, { end_ms: nowMs });
    const before = await snapshot(context, sale);
    expect(await recordToken(context, sale, 'u1', 'late', { lifeMs: LIFE_MS })).toBe('ended');
    expect(await snapshot(context, sale)).toEqual(before);
  });

  test.each([
    ['is stopped by a rebuild', { ready: '0' }],
    ['was loaded in another history of Redis', { history_id: 'e'.repeat(40) }],
  ])('by a sale that %s', async (_, state) => {
    const sale = await context.openSale();
    await context.redis.hset(context.keys.sale(sale).state, state);
    const before = await snapshot(context, sale);
    expect(await recordToken(context, sale, 'u1', 'too soon', { lifeMs: LIFE_MS })).toBe('not_ready');
    expect(await snapshot(context, sale)).toEqual(before);
  });

  test('by a sale that Redis does not have', async () => {
    const sale = await context.insertSale();
    expect(await recordToken(context, sale, 'u1', 'unknown', { lifeMs: LIFE_MS })).toBe('not_ready');
  });
});

describe('with a limit of live seckill tokens per unit of a sale', () => {
  const ask = (sale: Sale, userId: string, lifeMs = LIFE_MS) =>
    recordToken(context, sale, userId, `token-of-${userId}`, { lifeMs, tokensPerUnit: 2 });
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
    expect(await liveTokenOf(context, sale, 'late')).toBeUndefined();
  });

  test('a used one makes room, and so does an expired one, in any number', async () => {
    const sale = await context.openSale({ seckillStock: 150 });
    await Promise.all(users(300, 'brief').map((user) => ask(sale, user)));
    expect(await ask(sale, 'early')).toBe('tokens_exhausted');
    await Promise.all(
      users(300, 'brief').map(async (user) => {
        await context.redis.zadd(context.keys.sale(sale).liveTokens, 'XX', 1, user);
        await loseToken(context, sale, user);
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
    recordToken(context, sale, userId, token, { lifeMs: LIFE_MS, challenge: { id, lifeMs: 60_000 } });

  test('it buys one seckill token; a repeat after a lost answer gets that one', async () => {
    const sale = await context.openSale();
    expect(await ask(sale, 'u1', 'first')).toBe('first');
    expect(await ask(sale, 'u1', 'again')).toBe('first');
    await loseToken(context, sale, 'u1');
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

describe('a batch', () => {
  const LIMITS = { lifeMs: LIFE_MS, tokensPerUnit: 0 };
  const issued = (token: string) => ({ outcome: 'issued', token });

  test('is answered in the order of its shoppers, each with the own token, a new or an earlier one', async () => {
    const sale = await context.openSale();
    await recordToken(context, sale, 'u1', 'earlier');
    const items = ['u0', 'u1', 'u2'].map((userId) => ({ userId, token: `new-of-${userId}` }));
    const answers = [issued('new-of-u0'), issued('earlier'), issued('new-of-u2')];
    expect(await context.commands.issueTokens(sale, items, LIMITS)).toEqual(answers);
    // Sent again after a lost reply, it changes nothing.
    const before = await snapshot(context, sale);
    expect(await context.commands.issueTokens(sale, items, LIMITS)).toEqual(answers);
    expect(await snapshot(context, sale)).toEqual(before);
  });

  test('gives a shopper who is in it twice one token', async () => {
    const sale = await context.openSale();
    const items = ['first', 'second', 'third'].map((token) => ({ userId: 'u1', token }));
    expect(await context.commands.issueTokens(sale, items, LIMITS)).toEqual(items.map(() => issued('first')));
    expect(await recordToken(context, sale, 'u1', 'later')).toBe('first');
  });

  test('replaces a token only for the item that cannot verify it', async () => {
    const sale = await context.openSale();
    for (const userId of ['u1', 'u2']) await recordToken(context, sale, userId, `old-of-${userId}`);
    const items = [
      { userId: 'u1', token: 'new-of-u1' },
      { userId: 'u2', token: 'new-of-u2', replacing: 'old-of-u2' },
      { userId: 'u2', token: 'newer-of-u2', replacing: 'old-of-u2' },
    ];
    const answers = [issued('old-of-u1'), issued('new-of-u2'), issued('new-of-u2')];
    expect(await context.commands.issueTokens(sale, items, LIMITS)).toEqual(answers);
  });

  test('stays within the limit of live tokens, and counts a shopper who is in it twice once', async () => {
    const sale = await context.openSale({ seckillStock: 2 });
    const items = ['u0', 'u0', 'u1', 'u2', 'u3', 'u4', 'u0'].map((userId, i) => ({ userId, token: `token-${i}` }));
    const answers = await context.commands.issueTokens(sale, items, { lifeMs: LIFE_MS, tokensPerUnit: 2 });
    expect(answers).toEqual([
      ...['token-0', 'token-0', 'token-2', 'token-3', 'token-4'].map(issued),
      { outcome: 'tokens_exhausted' },
      issued('token-0'),
    ]);
    expect(await context.redis.zcard(context.keys.sale(sale).liveTokens)).toBe(4);
    expect(await liveTokenOf(context, sale, 'u4')).toBeUndefined();
  });

  test('spends a solved challenge once, whoever sends it', async () => {
    const sale = await context.openSale();
    const challenge = (id: string) => ({ challenge: { id: `${id}-${sale.id}`, lifeMs: 60_000 } });
    const items = [
      { userId: 'u1', token: 'of-u1', ...challenge('a') },
      { userId: 'u2', token: 'of-u2', ...challenge('a') },
      { userId: 'u3', token: 'of-u3' },
      { userId: 'u1', token: 'again', ...challenge('a') },
      { userId: 'u2', token: 'second', ...challenge('b') },
    ];
    expect(await context.commands.issueTokens(sale, items, LIMITS)).toEqual([
      issued('of-u1'),
      { outcome: 'challenge_required' },
      issued('of-u3'),
      issued('of-u1'),
      issued('second'),
    ]);
    expect(await recordToken(context, sale, 'u4', 'stolen', challenge('b'))).toBe('challenge_required');
  });

  test('of a sale that does not issue tokens is refused as a whole', async () => {
    const sale = await context.openSale();
    await context.redis.hset(context.keys.sale(sale).state, { ready: '0' });
    const items = ['u1', 'u2'].map((userId) => ({ userId, token: `token-of-${userId}` }));
    expect(await context.commands.issueTokens(sale, items, LIMITS)).toEqual(
      items.map(() => ({ outcome: 'not_ready' })),
    );
    for (const { userId } of items) expect(await liveTokenOf(context, sale, userId)).toBeUndefined();
  });

  test('may have a hundred shoppers with the longest ids', async () => {
    const sale = await context.openSale();
    const items = Array.from({ length: 100 }, (_, i) => ({
      userId: `"\\${String(i).padStart(3, '0')}`.padEnd(255, '~'),
      token: `token-${i}`,
    }));
    const answers = await context.commands.issueTokens(sale, items, LIMITS);
    expect(answers).toEqual(items.map(({ token }) => issued(token)));
    for (const { userId, token } of items) expect((await liveTokenOf(context, sale, userId))?.token).toBe(token);
  });
});
