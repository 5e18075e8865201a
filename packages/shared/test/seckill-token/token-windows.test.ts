import { describe, expect, test } from 'vitest';
import type { Sale } from '../../src/sale/sale.ts';
import { liveTokenOf, newAttempt, newItem, recordToken, send, takeLease } from '../../testing/buying.ts';
import { testContext } from '../../testing/support.ts';

const context = await testContext();

const LIFE_MS = 60_000;

describe('the hash of a time window', () => {
  const nowMs = async (): Promise<number> => (await context.commands.clock(0)).nowMs;

  test('has the tokens that expire in it, and expires when the window ends', async () => {
    const sale = await context.openSale();
    await recordToken(context, sale, 'u1', 'token', { lifeMs: LIFE_MS });
    const { expiresMs } = (await liveTokenOf(context, sale, 'u1'))!;
    const window = Math.floor(expiresMs / LIFE_MS);
    const name = context.keys.seckillTokens(sale)[window % 3]!;
    expect(await context.redis.hgetall(name)).toEqual({ u1: `${expiresMs} token` });
    expect(await context.redis.pexpiretime(name)).toBe((window + 1) * LIFE_MS);
    expect(await context.redis.exists(...context.keys.seckillTokens(sale))).toBe(1);
  });

  test('and the next ones have one live token of a shopper, also when the names of the windows come again', async () => {
    const sale = await context.openSale();
    const lifeMs = 60;
    let current = { token: '', fromMs: -Infinity, untilMs: Infinity };
    for (let issued = 0, i = 0; issued < 10; i += 1) {
      const beforeMs = await nowMs();
      const token = await recordToken(context, sale, 'u1', `token-${i}`, { lifeMs });
      const afterMs = await nowMs();
      // The same while it lives, and a new one after that.
      const isRight = token === current.token ? beforeMs < current.untilMs : afterMs >= current.fromMs;
      expect(isRight, `${token} after ${current.token}`).toBe(true);
      if (token !== `token-${i}`) continue;
      issued += 1;
      current = { token, fromMs: beforeMs + lifeMs, untilMs: afterMs + lifeMs };
    }
  });

  // Such as after a step of the clock, or with another life of tokens.
  describe.each([0, 1, 2])('number %i may have the token of any other window', (turn) => {
    const put = async (sale: Sale, leftMs: number): Promise<string> => {
      const name = context.keys.seckillTokens(sale)[turn]!;
      await context.redis.hset(name, 'u1', `${(await nowMs()) + leftMs} early`);
      return name;
    };
    const buyWith = async (sale: Sale, token: string) => {
      const attempt = await newAttempt(context, sale, []);
      const items = [await newItem(context, sale, 'u1', { token })];
      return { items, answers: await send(context, { ...attempt, items }) };
    };

    test('asked again, a shopper has the same one, and it buys once', async () => {
      const sale = await context.openSale();
      await put(sale, 10 * LIFE_MS);
      expect(await recordToken(context, sale, 'u1', 'new', { lifeMs: LIFE_MS })).toBe('early');
      const { items, answers } = await buyWith(sale, 'early');
      expect(answers).toEqual([{ outcome: 'accepted' }]);
      expect(await context.commands.giveBack(sale, await takeLease(context, sale), items)).toBe(1);
      expect((await buyWith(sale, 'early')).answers).toEqual([{ outcome: 'token_invalid' }]);
    });

    test('an expired one is not live, and does not hide the next one', async () => {
      const sale = await context.openSale();
      await put(sale, 0);
      expect((await buyWith(sale, 'early')).answers).toEqual([{ outcome: 'token_invalid' }]);
      expect(await recordToken(context, sale, 'u1', 'new', { lifeMs: LIFE_MS })).toBe('new');
      expect((await buyWith(sale, 'early')).answers).toEqual([{ outcome: 'token_invalid' }]);
      expect((await buyWith(sale, 'new')).answers).toEqual([{ outcome: 'accepted' }]);
    });

    test('a clock that was set back makes an expired one live again: the one that came after it counts', async () => {
      for (const other of [0, 1, 2].filter((number) => number !== turn)) {
        const sale = await context.openSale();
        await put(sale, LIFE_MS);
        const later = `${(await nowMs()) + 2 * LIFE_MS} later`;
        await context.redis.hset(context.keys.seckillTokens(sale)[other]!, 'u1', later);
        expect(await recordToken(context, sale, 'u1', 'new', { lifeMs: LIFE_MS })).toBe('later');
        expect((await buyWith(sale, 'early')).answers).toEqual([{ outcome: 'token_invalid' }]);
        const { items, answers } = await buyWith(sale, 'later');
        expect(answers).toEqual([{ outcome: 'accepted' }]);
        await context.commands.giveBack(sale, await takeLease(context, sale), items);
        expect((await buyWith(sale, 'early')).answers).toEqual([{ outcome: 'token_invalid' }]);
      }
    });

    test('one that is replaced is gone', async () => {
      const sale = await context.openSale();
      await put(sale, 10 * LIFE_MS);
      expect(await recordToken(context, sale, 'u1', 'new', { lifeMs: LIFE_MS, replacing: 'early' })).toBe('new');
      expect((await liveTokenOf(context, sale, 'u1'))?.token).toBe('new');
      expect((await buyWith(sale, 'early')).answers).toEqual([{ outcome: 'token_invalid' }]);
    });

    test('its time to live only grows', async () => {
      const sale = await context.openSale();
      const name = await put(sale, LIFE_MS);
      const { nowMs: atMs } = await context.commands.clock(0);
      const windows = Array.from({ length: 50 }, (_, i) => (i + 1) * 86_400_000);
      const lifeMs = windows.find((ms) => (Math.floor(atMs / ms) + 1) % 3 === turn)!;
      await context.redis.pexpireat(name, atMs + 10 * lifeMs);
      await recordToken(context, sale, 'u2', 'token', { lifeMs });
      expect(await context.redis.hkeys(name)).toEqual(['u1', 'u2']);
      expect(await context.redis.pexpiretime(name)).toBe(atMs + 10 * lifeMs);
      await context.redis.pexpireat(name, atMs + LIFE_MS);
      await recordToken(context, sale, 'u3', 'token', { lifeMs });
      expect(await context.redis.pexpiretime(name)).toBeGreaterThan(atMs + lifeMs);
    });
  });
});
