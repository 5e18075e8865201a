import { describe, expect, it } from 'vitest';
import { effectsOn, openApp, openTestApp, openTestContext, settleOrder } from '../../testing/support.ts';
import { liveTokenOf } from '@flash-sale/shared/testing/buying.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import { askToken, ended, retired, scheduled, signed } from './tokens-and-times.ts';

const { context, app } = await openTestApp();

describe('POST /api/v1/seckill/token', () => {
  it('returns a seckill token that lives as long as configured', async () => {
    const sale = await context.openSale();
    const beforeMs = Date.now();
    const answer = await askToken(app, 'alice', sale.id);
    expect(answer.statusCode).toBe(200);
    const { token, expires_at: expiresAt, ...rest } = answer.json<{ token: string; expires_at: string }>();
    expect(rest).toEqual({});
    const { expiresMs } = (await liveTokenOf(context, sale, 'alice'))!;
    // Recorded after it was signed, and before the answer came.
    expect(expiresMs).toBeGreaterThanOrEqual(beforeMs + 300_000);
    expect(expiresMs).toBeLessThanOrEqual(Date.now() + 300_000);
    // Two clocks of one machine: the Redis clock as the app knows it, and ours.
    expect(Math.abs(Date.parse(expiresAt) - beforeMs - 300_000)).toBeLessThan(5_000);
    expect(token).not.toContain('alice');
  });

  it('returns the same one while it lives, on every api process', async () => {
    const sale = await context.openSale();
    const second = await openApp(context);
    try {
      const first = (await askToken(app, 'alice', sale.id)).json<object>();
      expect((await askToken(app, 'alice', sale.id)).json()).toEqual(first);
      expect((await askToken(second, 'alice', sale.id)).json()).toEqual(first);
    } finally {
      await second.close();
    }
  });

  it('returns a different one for each shopper and each sale', async () => {
    const [one, two] = [await context.openSale(), await context.openSale()];
    const tokens = [
      await app.tokenOf(one, 'alice'),
      await app.tokenOf(one, 'Alice'),
      await app.tokenOf(one, 'bob'),
      await app.tokenOf(two, 'alice'),
    ];
    expect(new Set(tokens).size).toBe(4);
  });

  it('returns one before the start, which can buy after it', async () => {
    const sale = await context.openSale(scheduled());
    const token = await app.tokenOf(sale, 'early');
    expect(await app.buy(sale, 'early', token)).toBeProblem('not_started');
    expect(await app.tokenOf(sale, 'early')).toBe(token);
    await context.redis.hset(context.keys.sale(sale).state, 'start_ms', Date.now() - 1_000);
    expect((await app.buy(sale, 'early', token)).statusCode).toBe(202);
  });

  it('returns a new one after the old one has expired', async () => {
    const brief = await openApp(context, { TOKEN_TTL_SECONDS: '3' });
    try {
      const sale = await context.openSale();
      const first = await brief.tokenOf(sale, 'alice');
      await expect.poll(() => liveTokenOf(context, sale, 'alice'), SOON).toBeUndefined();
      const second = await brief.tokenOf(sale, 'alice');
      expect(second).not.toBe(first);
      expect(await brief.buy(sale, 'alice', first)).toBeProblem('token_invalid');
      expect((await brief.buy(sale, 'alice', second)).statusCode).toBe(202);
    } finally {
      await brief.close();
    }
  });

  it('refuses a sale that has ended', async () => {
    expect(await askToken(app, 'late', (await context.openSale(ended())).id)).toBeProblem('ended');
    expect(await askToken(app, 'late', (await context.insertSale(retired())).id)).toBeProblem('ended');
  });

  it('refuses a sale that is not loaded yet', async () => {
    expect(await askToken(app, 'alice', (await context.insertSale()).id)).toBeProblem('not_ready');
  });

  it('answers 404 for a product that does not exist', async () => {
    expect(await askToken(app, 'alice', 999_999)).toBeProblem('not_found');
  });

  it('keeps a live seckill token over a rotation of secrets, and replaces one whose secret is removed', async () => {
    const sale = await context.openSale();
    const oldSecret = 'the-old-secret-of-seckill-tokens';
    const newSecret = 'the-new-secret-of-seckill-tokens';
    const before = await openApp(context, { TOKEN_SECRETS: oldSecret });
    const during = await openApp(context, { TOKEN_SECRETS: `${newSecret},${oldSecret}` });
    const after = await openApp(context, { TOKEN_SECRETS: newSecret });
    try {
      const token = await before.tokenOf(sale, 'alice');
      expect(await during.tokenOf(sale, 'alice')).toBe(token);
      expect(await after.buy(sale, 'alice', token)).toBeProblem('token_invalid');
      const replaced = await after.tokenOf(sale, 'alice');
      expect(replaced).not.toBe(token);
      expect(await during.buy(sale, 'alice', token)).toBeProblem('token_invalid');
      expect((await during.buy(sale, 'alice', replaced)).statusCode).toBe(202);
    } finally {
      await Promise.all([before.close(), during.close(), after.close()]);
    }
  });
});

describe('POST /api/v1/seckill/buy', () => {
  describe('rate limits', () => {
    it('rate_limited by the shopper’s own bucket: RateLimit headers, nothing taken, no other shopper delayed', async () => {
      const limited = await openApp(context, { RATE_LIMIT_USER_CAPACITY: '2', RATE_LIMIT_USER_PER_SECOND: '1' });
      try {
        const sale = await context.openSale();
        const token = await limited.tokenOf(sale, 'greedy');
        const forged = signed(sale.id, 'greedy');
        // Two tries that draw from the bucket without a unit, and one that finds it empty, in one
        // micro-batch.
        const answers = await Promise.all([forged, forged, token].map((each) => limited.buy(sale, 'greedy', each)));
        expect(answers.map((answer) => answer.json<{ code: string }>().code)).toEqual([
          'token_invalid',
          'token_invalid',
          'rate_limited',
        ]);
        const refused = answers[2]!;
        expect(refused).toBeProblem('rate_limited');
        expect(refused.headers).toMatchObject({
          'retry-after': '1',
          'ratelimit-policy': '"user";q=2;w=2',
          ratelimit: '"user";r=0;t=1',
        });
        expect(await context.redis.hlen(context.keys.sale(sale).owners)).toBe(0);
        expect((await liveTokenOf(context, sale, 'greedy'))?.token).toBe(token);
        await limited.win(sale, 'modest');
      } finally {
        await limited.close();
      }
    });

    it('rate_limited by the global bucket', async () => {
      // The bucket is one of the whole service, so this test has a service of its own.
      const own = await openTestContext();
      const limited = await openApp(own, { RATE_LIMIT_GLOBAL_CAPACITY: '2', RATE_LIMIT_GLOBAL_PER_SECOND: '1' });
      try {
        const sale = await own.openSale();
        const shoppers = ['one', 'two', 'three'];
        const tokens = await Promise.all(shoppers.map((shopper) => limited.tokenOf(sale, shopper)));
        const answers = await Promise.all(shoppers.map((shopper, i) => limited.buy(sale, shopper, tokens[i]!)));
        expect(answers.map(({ statusCode }) => statusCode)).toEqual([202, 202, 429]);
        const refused = answers[2]!;
        expect(refused).toBeProblem('rate_limited');
        expect(refused.headers).toMatchObject({
          'retry-after': '1',
          'ratelimit-policy': '"global";q=2;w=2',
          ratelimit: '"global";r=0;t=1',
        });
        expect(await own.redis.hlen(own.keys.sale(sale).owners)).toBe(2);
        expect((await liveTokenOf(own, sale, 'three'))?.token).toBe(tokens[2]);
      } finally {
        await limited.close();
        await own.close();
      }
    });

    it('does not apply to the retry of an accepted buy: it takes nothing (promise 8)', async () => {
      const limited = await openApp(context, { RATE_LIMIT_USER_CAPACITY: '1', RATE_LIMIT_USER_PER_SECOND: '1' });
      try {
        const sale = await context.openSale();
        const token = await limited.tokenOf(sale, 'insistent');
        const answers = await Promise.all([1, 2, 3, 4].map(() => limited.buy(sale, 'insistent', token)));
        expect(answers.map(({ statusCode }) => statusCode)).toEqual([202, 202, 202, 202]);
      } finally {
        await limited.close();
      }
    });
  });
});

describe('the identity of a shopper', () => {
  it('distinguishes ids that look alike to a database: u1 and U1 are two shoppers (promise 4)', async () => {
    const sale = await context.openSale();
    expect(await app.win(sale, 'u1')).not.toBe(await app.win(sale, 'U1'));
  });

  it.each<[string, string]>([
    ['a trailing space', '"u1 "'],
    ['a leading space', '" u1"'],
    ['a space only', '" "'],
    ['an accent', '"ú1"'],
    ['an accent as two code points', '"u\\u03011"'],
    ['full-width letters', '"ｕ１"'],
    ['a zero-width joiner', '"u\\u200d1"'],
    ['a line break', '"u1\\r\\n"'],
    ['a line feed', '"u1\\n"'],
    ['a NUL', '"u1\\u0000"'],
    ['a DEL', '"u1\\u007f"'],
    ['a lone high surrogate', '"\\ud800"'],
    ['a lone low surrogate', '"u1\\udc00"'],
    ['256 characters', JSON.stringify('x'.repeat(256))],
    ['no characters', '""'],
    ['a number', '1'],
    ['a large number', '1e400'],
    ['null', 'null'],
    ['true', 'true'],
    ['a list', '["u1"]'],
    ['an object', '{"u1":1}'],
  ])('refuses a user_id of %s', async (_what, userId) => {
    const sale = await context.openSale();
    const before = await effectsOn(context, sale);
    const token = signed(sale.id, 'u1');
    for (const [url, body] of [
      ['/api/v1/seckill/token', `{"user_id":${userId},"product_id":${sale.id}}`],
      ['/api/v1/seckill/buy', `{"user_id":${userId},"product_id":${sale.id},"token":"${token}"}`],
    ] as const) {
      const headers = { 'content-type': 'application/json' };
      const answer = await app.server.inject({ method: 'POST', url, headers, payload: body });
      expect(answer).toBeProblem('invalid_request');
    }
    expect(await effectsOn(context, sale)).toEqual(before);
  });

  it.each([
    'x'.repeat(255),
    '!',
    '~',
    '{0}',
    'a:b',
    '#1',
    '%00',
    '__proto__',
    'constructor',
    "'; DROP TABLE orders; --".replaceAll(' ', ''),
  ])('takes %s as it is', async (userId) => {
    const sale = await context.openSale();
    const orderNo = await app.win(sale, userId);
    expect((await app.get(`/api/v1/orders/${orderNo}`)).json()).toMatchObject({ user_id: userId });
    await settleOrder(context, sale, orderNo);
    const mine = await app.get(`/api/v1/orders?user_id=${encodeURIComponent(userId)}`);
    expect(mine.json()).toMatchObject({ items: [{ order_no: orderNo, user_id: userId }] });
  });
});

describe('the allowed bodies', () => {
  it.each<[string, (saleId: number) => unknown]>([
    ['no user_id', (id) => ({ product_id: id, token: 'x' })],
    ['no product_id', () => ({ user_id: 'alice', token: 'x' })],
    ['a product_id as text', (id) => ({ user_id: 'alice', product_id: String(id), token: 'x' })],
    ['a product_id of zero', () => ({ user_id: 'alice', product_id: 0, token: 'x' })],
    ['a product_id below zero', () => ({ user_id: 'alice', product_id: -1, token: 'x' })],
    ['half a product_id', () => ({ user_id: 'alice', product_id: 1.5, token: 'x' })],
    ['a product_id that is not exact', () => ({ user_id: 'alice', product_id: 2 ** 53, token: 'x' })],
    ['a field that does not exist', (id) => ({ user_id: 'alice', product_id: id, token: 'x', price: 0.01 })],
    ['no token', (id) => ({ user_id: 'alice', product_id: id })],
    ['an empty token', (id) => ({ user_id: 'alice', product_id: id, token: '' })],
    ['a token of 129 characters', (id) => ({ user_id: 'alice', product_id: id, token: 'x'.repeat(129) })],
    ['a token that is a number', (id) => ({ user_id: 'alice', product_id: id, token: 1 })],
    ['a list', () => []],
    ['text', () => 'alice'],
    ['nothing', () => undefined],
  ])('refuses a buy with %s', async (_what, bodyFor) => {
    const sale = await context.openSale();
    const payload = JSON.stringify(bodyFor(sale.id)) ?? '';
    const headers = { 'content-type': 'application/json' };
    expect(await app.server.inject({ method: 'POST', url: '/api/v1/seckill/buy', headers, payload })).toBeProblem(
      'invalid_request',
    );
  });
});
