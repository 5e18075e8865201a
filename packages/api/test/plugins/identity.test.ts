import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { openApp, testContext, settleOrder, type TestApp } from '../../testing/support.ts';
import { SECRET, bearer, askToken, hs256, inOneHour, refusedFor, valid } from '../identity/access-tokens.ts';

const context = await testContext({ AUTH_MODE: 'jwt', JWT_SECRET: SECRET });

describe('jwt mode with a secret', () => {
  let app: TestApp;
  let sale: Sale;

  beforeAll(async () => {
    app = await openApp(context);
    sale = await context.openSale({ seckillStock: 1_000 });
  });

  afterAll(() => app.close());

  it('uses the shopper of the access token: token, buy, poll and list need no user_id', async () => {
    const headers = bearer(await valid('alice'));
    const token = (await askToken(app, sale, headers)).json<{ token: string }>().token;
    const bought = await app.post('/api/v1/seckill/buy', { product_id: sale.id, token }, headers);
    expect(bought.statusCode).toBe(202);
    const { order_no: orderNo } = bought.json<{ order_no: string }>();
    expect((await app.get(`/api/v1/orders/${orderNo}`, headers)).json()).toMatchObject({ user_id: 'alice' });
    await settleOrder(context, sale, orderNo);
    expect((await app.get('/api/v1/orders', headers)).json()).toMatchObject({ items: [{ order_no: orderNo }] });
  });

  it('accepts a user_id that is the subject', async () => {
    expect((await askToken(app, sale, bearer(await valid('bob')), 'bob')).statusCode).toBe(200);
  });

  it('forbids every call for another shopper', async () => {
    const headers = bearer(await valid('mallory'));
    expect(await askToken(app, sale, headers, 'alice')).toBeProblem('forbidden');
    const buy = { product_id: sale.id, user_id: 'alice', token: 'x' };
    expect(await app.post('/api/v1/seckill/buy', buy, headers)).toBeProblem('forbidden');
    expect(await app.get('/api/v1/orders?user_id=alice', headers)).toBeProblem('forbidden');
    expect(await app.get(`/api/v1/orders/01KARYB6S5Q0H9M3T7ZV5W8XCE-0-1?user_id=alice`, headers)).toBeProblem(
      'forbidden',
    );
    expect(await askToken(app, sale, headers, 'Mallory')).toBeProblem('forbidden');
  });

  it('shows an order to its owner only: for others it does not exist, queued or settled, waiting or not', async () => {
    const owner = bearer(await valid('owner'));
    const token = (await askToken(app, sale, owner)).json<{ token: string }>().token;
    const { order_no: orderNo } = (await app.post('/api/v1/seckill/buy', { product_id: sale.id, token }, owner)).json<{
      order_no: string;
    }>();
    const other = bearer(await valid('Owner'));
    expect(await app.get(`/api/v1/orders/${orderNo}`, other)).toBeProblem('not_found');
    await settleOrder(context, sale, orderNo);
    expect(await app.get(`/api/v1/orders/${orderNo}`, other)).toBeProblem('not_found');
    expect(await app.get(`/api/v1/orders/${orderNo}?wait=5`, other)).toBeProblem('not_found');
    expect((await app.get(`/api/v1/orders/${orderNo}`, owner)).statusCode).toBe(200);
  });

  it('does not let one shopper use the seckill token of another', async () => {
    const token = (await askToken(app, sale, bearer(await valid('victim')))).json<{ token: string }>().token;
    const thief = bearer(await valid('thief'));
    expect(await app.post('/api/v1/seckill/buy', { product_id: sale.id, token }, thief)).toBeProblem('token_invalid');
  });

  it('leaves products readable for everybody', async () => {
    expect((await app.get(`/api/v1/products/${sale.id}`)).statusCode).toBe(200);
  });

  it.each<[string, string, () => Promise<string | undefined>]>([
    ['no access token', 'missing', async () => undefined],
    ['an empty header', 'missing', async () => ''],
    ['another scheme', 'missing', async () => `Basic ${await valid('alice')}`],
    ['a bearer of nothing', 'missing', async () => 'Bearer '],
    ['nonsense', 'malformed', async () => 'Bearer nonsense'],
    ['three dots', 'malformed', async () => 'Bearer ...'],
    ['two access tokens', 'malformed', async () => `Bearer ${await valid('alice')} ${await valid('alice')}`],
    [
      'an expired one',
      'expiry',
      async () => `Bearer ${await hs256({ sub: 'alice', exp: Math.floor(Date.now() / 1_000) - 31 })}`,
    ],
    ['one that never expires', 'expiry', async () => `Bearer ${await hs256({ sub: 'alice' })}`],
    ['one that is not valid yet', 'not_before', async () => `Bearer ${await valid('alice', { nbf: inOneHour() })}`],
    ['one without a subject', 'subject', async () => `Bearer ${await hs256({ exp: inOneHour() })}`],
    ['one whose subject is no shopper', 'subject', async () => `Bearer ${await valid('u 1')}`],
    ['one whose subject is empty', 'subject', async () => `Bearer ${await valid('')}`],
    ['one whose subject is too long', 'subject', async () => `Bearer ${await valid('x'.repeat(256))}`],
    [
      'one whose subject is a number',
      'subject',
      async () => `Bearer ${await hs256({ sub: 5 as unknown as string, exp: inOneHour() })}`,
    ],
    [
      'a wrong key',
      'signature',
      async () => `Bearer ${await hs256({ sub: 'alice', exp: inOneHour() }, SECRET.toUpperCase())}`,
    ],
    [
      'another algorithm',
      'algorithm',
      async () => `Bearer ${await hs256({ sub: 'alice', exp: inOneHour() }, SECRET.repeat(2), 'HS512')}`,
    ],
    [
      'the right key under another algorithm',
      'algorithm',
      async () => `Bearer ${await hs256({ sub: 'alice', exp: inOneHour() }, SECRET, 'HS384').catch(() => 'x.y.z')}`,
    ],
    [
      'algorithm none',
      'algorithm',
      async () => {
        const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
        return `Bearer ${part({ alg: 'none' })}.${part({ sub: 'alice', exp: inOneHour() })}.`;
      },
    ],
    [
      'a changed payload',
      'signature',
      async () => {
        const [head, , mac] = (await valid('mallory')).split('.');
        const payload = Buffer.from(JSON.stringify({ sub: 'alice', exp: inOneHour() })).toString('base64url');
        return `Bearer ${head}.${payload}.${mac}`;
      },
    ],
  ])('refuses %s on every call of a shopper, and says why', async (_what, reason, authorization) => {
    const value = await authorization();
    const before = await refusedFor(app, reason);
    const headers: Record<string, string> = value === undefined ? {} : { authorization: value };
    const answers = [
      await askToken(app, sale, headers),
      await askToken(app, sale, headers, 'alice'),
      await app.post('/api/v1/seckill/buy', { product_id: sale.id, token: 'x' }, headers),
      await app.get('/api/v1/orders', headers),
      await app.get('/api/v1/orders/01KARYB6S5Q0H9M3T7ZV5W8XCE-0-1', headers),
    ];
    for (const answer of answers) {
      expect(answer).toBeProblem('unauthenticated');
      const { detail } = answer.json<{ detail: string }>();
      const error = reason === 'missing' ? '' : ` error="invalid_token", error_description="${detail}"`;
      expect(answer.headers['www-authenticate']).toBe(`Bearer${error}`);
      expect(detail).toMatch(/^[\x20-\x7e]{20,100}$/);
    }
    expect(await refusedFor(app, reason)).toBe(before + answers.length);
  });

  it('accepts an access token as long as the headers of a request may be', async () => {
    const pad = 'x'.repeat(11_000);
    const headers = bearer(await valid('roles', { pad }));
    expect(headers.authorization.length).toBeGreaterThan(14_000);
    expect((await askToken(app, sale, headers)).statusCode).toBe(200);
  });

  it('accepts it after more than one space, and with any case of the scheme', async () => {
    const accessToken = await valid('spaced');
    for (const authorization of [`Bearer   ${accessToken}`, `bearer ${accessToken}`, `BEARER ${accessToken}`]) {
      expect((await askToken(app, sale, { authorization })).statusCode).toBe(200);
    }
  });

  it('logs for an integrator, at debug level, what is in the access token, and never the token itself', async () => {
    const lines: string[] = [];
    const { server } = app;
    const accessToken = await valid('alice', { nbf: inOneHour() });
    const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(line) });
    const child = vi.spyOn(context.log, 'child').mockImplementation(() => log as never);
    try {
      await server.inject({ method: 'GET', url: '/api/v1/orders', headers: bearer(accessToken) });
    } finally {
      child.mockRestore();
    }
    const [line] = lines.map((text) => JSON.parse(text) as Record<string, unknown>);
    expect(line).toMatchObject({
      msg: 'access token refused',
      reason: 'not_before',
      code: 'ERR_JWT_CLAIM_VALIDATION_FAILED',
      got: expect.any(Number),
    });
    expect(lines.join('')).not.toContain(accessToken.split('.')[2]!);
  });

  it('allows for clocks that differ by the tolerance of JWT_FORMAT, 30 s unless it is set', async () => {
    const nowS = Math.floor(Date.now() / 1_000);
    const strict = await openApp(context, { JWT_FORMAT: 'tolerance=0' });
    try {
      for (const claims of [{ exp: nowS - 20 }, { nbf: nowS + 20 }, { iat: nowS + 20 }]) {
        expect((await askToken(app, sale, bearer(await valid('clock', claims)))).statusCode).toBe(200);
      }
      for (const claims of [{ exp: nowS - 40 }, { nbf: nowS + 100 }]) {
        expect(await askToken(app, sale, bearer(await valid('clock', claims)))).toBeProblem('unauthenticated');
      }
      for (const claims of [{ exp: nowS - 20 }, { nbf: nowS + 100 }]) {
        expect(await askToken(strict, sale, bearer(await valid('clock', claims)))).toBeProblem('unauthenticated');
      }
    } finally {
      await strict.close();
    }
  });

  it('does not accept an access token after its expiry and the tolerance because it was verified before', async () => {
    const exp = Math.floor(Date.now() / 1_000) - 28;
    const headers = bearer(await hs256({ sub: 'brief', exp }));
    expect((await askToken(app, sale, headers)).statusCode).toBe(200);
    await expect.poll(async () => (await askToken(app, sale, headers)).statusCode, { timeout: 10_000 }).toBe(401);
    expect(Date.now()).toBeGreaterThanOrEqual((exp + 30) * 1_000);
  });
});

describe('callers without a valid access token', () => {
  const from = (address: string, headers: Record<string, string>) => ({ ...headers, 'x-forwarded-for': address });

  it('are refused by their address after a few, before another signature is checked; a caller with one is accepted', async () => {
    const app = await openApp(context, {
      RATE_LIMIT_IP: '1/3',
      TRUSTED_PROXIES: '127.0.0.1',
    });
    try {
      const list = (headers: Record<string, string>) => app.get('/api/v1/orders', headers);
      const attacker = '198.51.100.9';
      const good = bearer(await valid('known'));
      expect((await list(from(attacker, good))).statusCode).toBe(200);
      for (const headers of [{}, bearer('x.y.z'), bearer(await hs256({ sub: 'alice' }))]) {
        expect(await list(from(attacker, headers))).toBeProblem('unauthenticated');
      }
      const refused = await list(from(attacker, bearer('x.y.z')));
      expect(refused).toBeProblem('rate_limited');
      expect(refused.headers).toMatchObject({
        'ratelimit-policy': '"address";q=3;w=3',
        ratelimit: '"address";r=0;t=1',
      });
      // An access token that was verified before costs nothing, nor does another address pay for
      // this one.
      expect((await list(from(attacker, good))).statusCode).toBe(200);
      expect(await list(from('198.51.100.10', {}))).toBeProblem('unauthenticated');
    } finally {
      await app.close();
    }
  });
});
