import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SeckillTokens } from '@flash-sale/shared/seckill-token/seckill-token.ts';
import { withStampedLease } from '@flash-sale/shared/sale/lease.ts';
import {
  AS_OPERATOR,
  effectsOn,
  openApp,
  openTestContext,
  settleOrder,
  TOKEN_SECRET,
  type TestApp,
  type TestContext,
} from '../../testing/support.ts';

let context: TestContext;
let app: TestApp;

beforeAll(async () => {
  context = await openTestContext();
  app = await openApp(context);
});

afterAll(async () => {
  await app.close();
  await context.close();
});

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const ORDER_NO = /^[0-7][0-9A-HJKMNP-TV-Z]{31}-0-\d+$/;
const scheduled = () => ({ startMs: Date.now() + HOUR_MS, endMs: Date.now() + 2 * HOUR_MS });
const ended = () => ({ startMs: Date.now() - 2 * HOUR_MS, endMs: Date.now() - HOUR_MS });
/** Ended so long ago that Redis does not keep it any more. */
const retired = () => ({ startMs: Date.now() - 3 * DAY_MS, endMs: Date.now() - 2 * DAY_MS });
const askToken = (on: TestApp, userId: unknown, productId: unknown) =>
  on.post('/api/v1/seckill/token', { user_id: userId, product_id: productId });
/** A seckill token that we signed and never recorded. */
const signed = (saleId: number, userId: string, secret = TOKEN_SECRET) =>
  new SeckillTokens([secret]).sign({ userId, saleId }, Date.now() + HOUR_MS);

describe('POST /api/v1/seckill/token', () => {
  it('returns a seckill token that lives as long as configured', async () => {
    const sale = await context.openSale();
    const beforeMs = Date.now();
    const answer = await askToken(app, 'alice', sale.id);
    expect(answer.statusCode).toBe(200);
    const { token, expires_at: expiresAt, ...rest } = answer.json<{ token: string; expires_at: string }>();
    expect(rest).toEqual({});
    const lifeMs = await context.redis.pttl(context.keys.seckillToken(sale, 'alice'));
    expect(lifeMs).toBeGreaterThan(290_000);
    expect(lifeMs).toBeLessThanOrEqual(300_000);
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
    const brief = await openApp(context, { TOKEN_TTL_SECONDS: '1' });
    try {
      const sale = await context.openSale();
      const first = await brief.tokenOf(sale, 'alice');
      await expect
        .poll(() => context.redis.exists(context.keys.seckillToken(sale, 'alice')), { timeout: 5_000 })
        .toBe(0);
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
  it('accepts with 202, the order number, and where and when to poll', async () => {
    const sale = await context.openSale();
    const answer = await app.buy(sale, 'alice', await app.tokenOf(sale, 'alice'));
    expect(answer.statusCode).toBe(202);
    const { order_no: orderNo, ...rest } = answer.json<{ order_no: string }>();
    expect(orderNo).toMatch(ORDER_NO);
    expect(orderNo.endsWith(`-${sale.id}`)).toBe(true);
    expect(rest).toEqual({ status: 'queued', quantity: 1 });
    expect(answer.headers.location).toBe(`/api/v1/orders/${orderNo}`);
    expect(answer.headers['retry-after']).toBe('1');
    expect((await app.get(String(answer.headers.location))).statusCode).toBe(200);
  });

  it('is one effect however often it is sent: a retry gets the same number, marked as replayed (promise 8)', async () => {
    const sale = await context.openSale();
    const token = await app.tokenOf(sale, 'alice');
    const orderNo = (await app.buy(sale, 'alice', token)).json<{ order_no: string }>().order_no;
    const before = await effectsOn(context, sale, 'alice');
    const retry = await app.buy(sale, 'alice', token);
    expect(retry.statusCode).toBe(202);
    expect(retry.json()).toEqual({ order_no: orderNo, status: 'queued', quantity: 1, replayed: true });
    expect(retry.headers.location).toBe(`/api/v1/orders/${orderNo}`);
    expect(await effectsOn(context, sale, 'alice')).toEqual(before);
  });

  it('returns the present status of the order', async () => {
    const sale = await context.openSale();
    const orderNo = await app.win(sale, 'alice');
    await settleOrder(context, sale, orderNo);
    const retry = await app.buy(sale, 'alice', await app.tokenOf(sale, 'alice'));
    expect(retry.json()).toEqual({ order_no: orderNo, status: 'pending_payment', quantity: 1, replayed: true });
  });

  it('treats ten clicks at once, in one micro-batch or several, as one buy (promises 4 and 8)', async () => {
    const sale = await context.openSale();
    const token = await app.tokenOf(sale, 'alice');
    const clicks = await Promise.all(Array.from({ length: 10 }, () => app.buy(sale, 'alice', token)));
    expect(clicks.map(({ statusCode }) => statusCode)).toEqual(Array(10).fill(202));
    const bodies = clicks.map((click) => click.json<{ order_no: string; replayed?: true }>());
    expect(new Set(bodies.map(({ order_no: orderNo }) => orderNo)).size).toBe(1);
    expect(bodies.filter(({ replayed }) => replayed === undefined)).toHaveLength(1);
    expect(await context.redis.hget(context.keys.sale(sale).state, 'available')).toBe('9');
  });

  it('still answers a shopper with an order after the last unit is gone and the seckill token has expired (promise 8)', async () => {
    const brief = await openApp(context, { TOKEN_TTL_SECONDS: '1' });
    try {
      const sale = await context.openSale({ seckillStock: 1 });
      const token = await brief.tokenOf(sale, 'winner');
      const loserToken = await app.tokenOf(sale, 'loser');
      const orderNo = (await brief.buy(sale, 'winner', token)).json<{ order_no: string }>().order_no;
      await expect
        .poll(() => context.redis.exists(context.keys.seckillToken(sale, 'winner')), { timeout: 5_000 })
        .toBe(0);
      expect(await app.buy(sale, 'loser', loserToken)).toBeProblem('sold_out');
      expect((await brief.buy(sale, 'winner', token)).json()).toMatchObject({ order_no: orderNo, replayed: true });
    } finally {
      await brief.close();
    }
  });

  it('still answers a shopper with an order while the sale is paused, and after its end', async () => {
    const sale = await context.openSale();
    const token = await app.tokenOf(sale, 'winner');
    const orderNo = (await app.buy(sale, 'winner', token)).json<{ order_no: string }>().order_no;
    await app.post(`/api/v1/admin/products/${sale.id}/pause`, undefined, AS_OPERATOR);
    expect((await app.buy(sale, 'winner', token)).json()).toMatchObject({ order_no: orderNo, replayed: true });
    await context.redis.hset(context.keys.sale(sale).state, 'end_ms', Date.now() - 1_000);
    expect((await app.buy(sale, 'winner', token)).json()).toMatchObject({ order_no: orderNo, replayed: true });
  });

  it('reads the ledger for a sale that Redis does not keep any more: the order again, or ended', async () => {
    const sale = await context.insertSale(retired());
    const orderNo = `01KARYB6S5Q0H9M3T7ZV5W8XCE-0-${sale.id}`;
    const now = new Date();
    await context.db
      .insertInto('orders')
      .values({
        order_no: orderNo,
        product_id: sale.id,
        user_id: 'alice',
        status: 'paid',
        price_cents: 1_999,
        reason: null,
        created_at: now,
        updated_at: now,
      })
      .execute();
    const answer = await app.buy(sale, 'alice', signed(sale.id, 'alice'));
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toEqual({ order_no: orderNo, status: 'paid', quantity: 1, replayed: true });
    expect(await app.buy(sale, 'bob', signed(sale.id, 'bob'))).toBeProblem('ended');
  });

  describe('a refused buy has no effect (promise 7)', () => {
    it.each<[string, (saleId: number, otherId: number) => string]>([
      ['forged with another secret', (id) => signed(id, 'alice', 'some-secret-of-a-thief')],
      ['signed by us and never issued', (id) => signed(id, 'alice')],
      ['issued to somebody else', (id) => signed(id, 'bob')],
      ['issued to a shopper of another case', (id) => signed(id, 'ALICE')],
      ['issued for another sale', (_id, otherId) => signed(otherId, 'alice')],
      ['nonsense', () => 'nonsense'],
      ['the mark of a consumed one', () => '#01KARYB6S5Q0H9M3T7ZV5W8XCE-0-1'],
      ['with one letter changed', (id) => signed(id, 'alice').replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))],
    ])('token_invalid: %s', async (_what, tokenFor) => {
      const [sale, other] = [await context.openSale(), await context.openSale()];
      await app.tokenOf(sale, 'alice');
      const before = await effectsOn(context, sale, 'alice');
      expect(await app.buy(sale, 'alice', tokenFor(sale.id, other.id))).toBeProblem('token_invalid');
      expect(await effectsOn(context, sale, 'alice')).toEqual(before);
    });

    it('token_invalid: expired', async () => {
      const brief = await openApp(context, { TOKEN_TTL_SECONDS: '1' });
      try {
        const sale = await context.openSale();
        const token = await brief.tokenOf(sale, 'alice');
        await expect
          .poll(() => context.redis.exists(context.keys.seckillToken(sale, 'alice')), { timeout: 5_000 })
          .toBe(0);
        const before = await effectsOn(context, sale, 'alice');
        expect(await brief.buy(sale, 'alice', token)).toBeProblem('token_invalid');
        expect(await effectsOn(context, sale, 'alice')).toEqual(before);
      } finally {
        await brief.close();
      }
    });

    it('token_invalid: used for an order whose unit was given back; a new seckill token buys again', async () => {
      const sale = await context.openSale();
      const token = await app.tokenOf(sale, 'alice');
      const orderNo = (await app.buy(sale, 'alice', token)).json<{ order_no: string }>().order_no;
      await settleOrder(context, sale, orderNo);
      await withStampedLease(context, sale, 5_000, (lease) =>
        context.commands.giveBack(sale, lease.text, [{ userId: 'alice', orderNo }]),
      );
      const before = await effectsOn(context, sale, 'alice');
      expect(await app.buy(sale, 'alice', token)).toBeProblem('token_invalid');
      expect(await effectsOn(context, sale, 'alice')).toEqual(before);
      const again = (await app.buy(sale, 'alice', await app.tokenOf(sale, 'alice'))).json<{ order_no: string }>();
      expect(again.order_no).toMatch(ORDER_NO);
      expect(again.order_no).not.toBe(orderNo);
    });

    it('not_started, and the seckill token stays valid', async () => {
      const sale = await context.openSale(scheduled());
      const token = await app.tokenOf(sale, 'early');
      const before = await effectsOn(context, sale, 'early');
      expect(await app.buy(sale, 'early', token)).toBeProblem('not_started');
      expect(await effectsOn(context, sale, 'early')).toEqual(before);
    });

    it('ended, from the exact millisecond of end_time by the clock of Redis (promise 10)', async () => {
      const sale = await context.openSale();
      const token = await app.tokenOf(sale, 'late');
      const { nowMs } = await context.commands.clock(0);
      await context.redis.hset(context.keys.sale(sale).state, 'end_ms', nowMs);
      const before = await effectsOn(context, sale, 'late');
      expect(await app.buy(sale, 'late', token)).toBeProblem('ended');
      expect(await effectsOn(context, sale, 'late')).toEqual(before);
    });

    it('paused', async () => {
      const sale = await context.openSale();
      const token = await app.tokenOf(sale, 'alice');
      await app.post(`/api/v1/admin/products/${sale.id}/pause`, undefined, AS_OPERATOR);
      const before = await effectsOn(context, sale, 'alice');
      expect(await app.buy(sale, 'alice', token)).toBeProblem('paused');
      expect(await effectsOn(context, sale, 'alice')).toEqual(before);
    });

    it('sold_out', async () => {
      const sale = await context.openSale({ seckillStock: 1 });
      await app.win(sale, 'winner');
      const token = await app.tokenOf(sale, 'loser');
      const before = await effectsOn(context, sale, 'winner', 'loser');
      expect(await app.buy(sale, 'loser', token)).toBeProblem('sold_out');
      expect(await effectsOn(context, sale, 'winner', 'loser')).toEqual(before);
    });

    it('not_ready: a sale that is in the ledger only', async () => {
      const sale = await context.insertSale();
      expect(await app.buy(sale, 'alice', signed(sale.id, 'alice'))).toBeProblem('not_ready');
      expect(await context.redis.keys(`*:${sale.id}:*`)).toEqual([]);
    });

    it('not_found: our seckill token for a product that does not exist', async () => {
      expect(await app.buy({ id: 999_999 }, 'alice', signed(999_999, 'alice'))).toBeProblem('not_found');
    });

    it('overloaded: BACKLOG_MAX reservations wait for the ledger; settling one makes room', async () => {
      const narrow = await openApp(context, { BACKLOG_MAX: '1' });
      try {
        const sale = await context.openSale();
        const orderNo = await narrow.win(sale, 'first');
        const token = await narrow.tokenOf(sale, 'second');
        const before = await effectsOn(context, sale, 'second');
        expect(await narrow.buy(sale, 'second', token)).toBeProblem('overloaded');
        expect(await effectsOn(context, sale, 'second')).toEqual(before);
        await settleOrder(context, sale, orderNo);
        expect((await narrow.buy(sale, 'second', token)).statusCode).toBe(202);
      } finally {
        await narrow.close();
      }
    });
  });

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
        expect(await context.redis.get(context.keys.seckillToken(sale, 'greedy'))).toBe(token);
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
        expect(await own.redis.get(own.keys.seckillToken(sale, 'three'))).toBe(tokens[2]);
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
