import { SignJWT, type JWTPayload } from 'jose';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { newKey, openKeyProvider, type KeyProvider } from '../identity/key-provider.ts';
import { openApp, openTestContext, settleOrder, type TestApp, type TestContext } from '../../testing/support.ts';

const SECRET = 'a-secret-of-access-tokens-that-is-long';
const ISSUER = 'https://identity.test/';
const AUDIENCE = 'flash-sale';

let context: TestContext;

beforeAll(async () => {
  context = await openTestContext({ AUTH_MODE: 'jwt', JWT_SECRET: SECRET });
});

afterAll(() => context.close());

const as = (accessToken: string) => ({ authorization: `Bearer ${accessToken}` });
const hs256 = (claims: JWTPayload, secret = SECRET, algorithm = 'HS256') =>
  new SignJWT(claims).setProtectedHeader({ alg: algorithm }).sign(new TextEncoder().encode(secret));
const inOneHour = () => Math.floor(Date.now() / 1_000) + 3_600;
const valid = (sub: string, more: JWTPayload = {}) => hs256({ sub, exp: inOneHour(), ...more });
const refusedFor = async (app: TestApp, reason: string): Promise<number> => {
  const { values } = await app.deps.metrics.accessTokensRefused.get();
  return values.find(({ labels }) => labels['reason'] === reason)?.value ?? 0;
};
const askToken = (app: TestApp, sale: Sale, headers: Record<string, string>, userId?: string) =>
  app.post(
    '/api/v1/seckill/token',
    { product_id: sale.id, ...(userId === undefined ? {} : { user_id: userId }) },
    headers,
  );

describe('jwt mode with a secret', () => {
  let app: TestApp;
  let sale: Sale;

  beforeAll(async () => {
    app = await openApp(context);
    sale = await context.openSale({ seckillStock: 1_000 });
  });

  afterAll(() => app.close());

  it('uses the shopper of the access token: token, buy, poll and list need no user_id', async () => {
    const headers = as(await valid('alice'));
    const token = (await askToken(app, sale, headers)).json<{ token: string }>().token;
    const bought = await app.post('/api/v1/seckill/buy', { product_id: sale.id, token }, headers);
    expect(bought.statusCode).toBe(202);
    const { order_no: orderNo } = bought.json<{ order_no: string }>();
    expect((await app.get(`/api/v1/orders/${orderNo}`, headers)).json()).toMatchObject({ user_id: 'alice' });
    await settleOrder(context, sale, orderNo);
    expect((await app.get('/api/v1/orders', headers)).json()).toMatchObject({ items: [{ order_no: orderNo }] });
  });

  it('accepts a user_id that is the subject', async () => {
    expect((await askToken(app, sale, as(await valid('bob')), 'bob')).statusCode).toBe(200);
  });

  it('forbids every call for another shopper', async () => {
    const headers = as(await valid('mallory'));
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
    const owner = as(await valid('owner'));
    const token = (await askToken(app, sale, owner)).json<{ token: string }>().token;
    const { order_no: orderNo } = (await app.post('/api/v1/seckill/buy', { product_id: sale.id, token }, owner)).json<{
      order_no: string;
    }>();
    const other = as(await valid('Owner'));
    expect(await app.get(`/api/v1/orders/${orderNo}`, other)).toBeProblem('not_found');
    await settleOrder(context, sale, orderNo);
    expect(await app.get(`/api/v1/orders/${orderNo}`, other)).toBeProblem('not_found');
    expect(await app.get(`/api/v1/orders/${orderNo}?wait=5`, other)).toBeProblem('not_found');
    expect((await app.get(`/api/v1/orders/${orderNo}`, owner)).statusCode).toBe(200);
  });

  it('does not let one shopper use the seckill token of another', async () => {
    const token = (await askToken(app, sale, as(await valid('victim')))).json<{ token: string }>().token;
    const thief = as(await valid('thief'));
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
    const headers = as(await valid('roles', { pad }));
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
      await server.inject({ method: 'GET', url: '/api/v1/orders', headers: as(accessToken) });
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
        expect((await askToken(app, sale, as(await valid('clock', claims)))).statusCode).toBe(200);
      }
      for (const claims of [{ exp: nowS - 40 }, { nbf: nowS + 100 }]) {
        expect(await askToken(app, sale, as(await valid('clock', claims)))).toBeProblem('unauthenticated');
      }
      for (const claims of [{ exp: nowS - 20 }, { nbf: nowS + 100 }]) {
        expect(await askToken(strict, sale, as(await valid('clock', claims)))).toBeProblem('unauthenticated');
      }
    } finally {
      await strict.close();
    }
  });

  it('does not accept an access token after its expiry and the tolerance because it was verified before', async () => {
    const exp = Math.floor(Date.now() / 1_000) - 28;
    const headers = as(await hs256({ sub: 'brief', exp }));
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
      const good = as(await valid('known'));
      expect((await list(from(attacker, good))).statusCode).toBe(200);
      for (const headers of [{}, as('x.y.z'), as(await hs256({ sub: 'alice' }))]) {
        expect(await list(from(attacker, headers))).toBeProblem('unauthenticated');
      }
      const refused = await list(from(attacker, as('x.y.z')));
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

describe('the development login', () => {
  const logIn = (app: TestApp, userId: string) => app.post('/api/v1/dev/session', { user_id: userId });

  it('returns an access token that the service accepts, issuer and audience included', async () => {
    const app = await openApp(context, { JWT_ISSUER: ISSUER, JWT_AUDIENCE: AUDIENCE });
    try {
      const answer = await logIn(app, 'dev');
      expect(answer.statusCode).toBe(200);
      expect(answer.headers['cache-control']).toBe('no-store');
      const {
        access_token: accessToken,
        token_type: tokenType,
        expires_at: expiresAt,
      } = answer.json<Record<string, string>>();
      expect(tokenType).toBe('Bearer');
      expect(Date.parse(expiresAt!) - Date.now()).toBeLessThanOrEqual(3_600_000);
      expect((await app.get('/api/v1/orders?user_id=dev', as(accessToken!))).statusCode).toBe(200);
      expect(await app.get('/api/v1/orders?user_id=other', as(accessToken!))).toBeProblem('forbidden');
      expect(await logIn(app, 'a b')).toBeProblem('invalid_request');
    } finally {
      await app.close();
    }
  });

  it.each<[string, Record<string, string>]>([
    ['in production', { NODE_ENV: 'production', PAYMENT_PROVIDER: 'sandbox' }],
    ['where another service signs access tokens', { JWT_SECRET: '', JWKS_URL: 'http://127.0.0.1:9/keys' }],
    ['where the gateway says who calls', { AUTH_MODE: 'trusted', JWT_SECRET: '' }],
  ])('does not exist %s', async (_where, env) => {
    const app = await openApp(context, env);
    try {
      expect(await logIn(app, 'dev')).toBeProblem('not_found');
      expect((await app.get('/docs/json')).body).not.toContain('/api/v1/dev');
    } finally {
      await app.close();
    }
  });
});

describe('jwt mode with an issuer and an audience', () => {
  let app: TestApp;
  let sale: Sale;

  beforeAll(async () => {
    app = await openApp(context, { JWT_ISSUER: ISSUER, JWT_AUDIENCE: AUDIENCE });
    sale = await context.openSale();
  });

  afterAll(() => app.close());

  it('accepts the right ones', async () => {
    expect((await askToken(app, sale, as(await valid('a', { iss: ISSUER, aud: AUDIENCE })))).statusCode).toBe(200);
    const among = await valid('b', { iss: ISSUER, aud: ['other', AUDIENCE] });
    expect((await askToken(app, sale, as(among))).statusCode).toBe(200);
  });

  it.each<[string, JWTPayload]>([
    ['the first of two issuers and the second of two audiences', { iss: ISSUER, aud: 'mobile' }],
    ['the second of two issuers and the first of two audiences', { iss: 'https://other.test', aud: AUDIENCE }],
  ])('takes %s, where there are two', async (_what, claims) => {
    const both = await openApp(context, {
      JWT_ISSUER: `${ISSUER},https://other.test`,
      JWT_AUDIENCE: `${AUDIENCE},mobile`,
    });
    try {
      expect((await askToken(both, sale, as(await valid('a', claims)))).statusCode).toBe(200);
      for (const wrong of [
        { ...claims, iss: `${ISSUER},https://other.test` },
        { ...claims, aud: `${AUDIENCE},mobile` },
        { ...claims, iss: 'https://other.test/' },
      ]) {
        expect(await askToken(both, sale, as(await valid('a', wrong)))).toBeProblem('unauthenticated');
      }
    } finally {
      await both.close();
    }
  });

  it.each<[string, JWTPayload]>([
    ['no issuer', { aud: AUDIENCE }],
    ['another issuer', { iss: 'https://identity.test', aud: AUDIENCE }],
    ['no audience', { iss: ISSUER }],
    ['another audience', { iss: ISSUER, aud: 'flash-sale-2' }],
  ])('refuses %s', async (_what, claims) => {
    expect(await askToken(app, sale, as(await valid('alice', claims)))).toBeProblem('unauthenticated');
  });
});

describe('jwt mode with a key set', () => {
  let provider: KeyProvider;
  let sale: Sale;

  beforeAll(async () => {
    provider = await openKeyProvider();
    sale = await context.openSale();
  });

  afterAll(() => provider.close());

  const openKeyed = (env: Record<string, string> = {}) =>
    openApp(context, { JWT_SECRET: '', JWKS_URL: provider.url, ...env });

  it('accepts tokens signed by a key of the set, and fetches the set once', async () => {
    const key = await newKey('one');
    provider.serve(key.jwk);
    const before = provider.fetches;
    const app = await openKeyed();
    try {
      for (const shopper of ['a', 'b', 'c']) {
        expect((await askToken(app, sale, as(await key.sign({ sub: shopper })), shopper)).statusCode).toBe(200);
      }
      expect(provider.fetches).toBe(before + 1);
    } finally {
      await app.close();
    }
  });

  it('uses a rotated key within 5 s without a restart, and then refuses the old one', async () => {
    const [first, second] = [await newKey('first'), await newKey('second')];
    provider.serve(first.jwk);
    const app = await openKeyed();
    try {
      expect((await askToken(app, sale, as(await first.sign({ sub: 'a' })))).statusCode).toBe(200);
      const fetchedAtMs = provider.askedAtMs;
      provider.serve(second.jwk);
      const before = provider.fetches;
      const rotated = as(await second.sign({ sub: 'b' }));
      expect(await askToken(app, sale, rotated)).toBeProblem('unauthenticated');
      expect(provider.fetches).toBe(before);
      await expect.poll(async () => (await askToken(app, sale, rotated)).statusCode, { timeout: 6_000 }).toBe(200);
      expect(provider.askedAtMs - fetchedAtMs).toBeGreaterThan(4_900);
      expect(provider.fetches).toBe(before + 1);
      expect(await askToken(app, sale, as(await first.sign({ sub: 'c' })))).toBeProblem('unauthenticated');
    } finally {
      await app.close();
    }
  }, 10_000);

  it('tries the matching keys in turn if an access token names none, and finds a new one', async () => {
    const [first, second, third] = [await newKey('first'), await newKey(undefined), await newKey('third')];
    provider.serve(first.jwk, second.jwk);
    const app = await openKeyed();
    try {
      expect((await askToken(app, sale, as(await first.sign({ sub: 'a' }, {})))).statusCode).toBe(200);
      expect((await askToken(app, sale, as(await second.sign({ sub: 'b' }, {})))).statusCode).toBe(200);
      const unknown = as(await third.sign({ sub: 'c' }, {}));
      expect(await askToken(app, sale, unknown)).toBeProblem('unauthenticated');
      provider.serve(first.jwk, second.jwk, third.jwk);
      await expect.poll(async () => (await askToken(app, sale, unknown)).statusCode, { timeout: 6_000 }).toBe(200);
      const expired = as(await second.sign({ sub: 'b', exp: 1 }, {}));
      expect(await askToken(app, sale, expired)).toBeProblem('unauthenticated');
      expect(await refusedFor(app, 'expiry')).toBe(1);
    } finally {
      await app.close();
    }
  }, 10_000);

  it('tries both of two keys with one kid', async () => {
    const [first, second] = [await newKey('same'), await newKey('same')];
    provider.serve(first.jwk, second.jwk);
    const app = await openKeyed();
    try {
      for (const key of [first, second]) {
        expect((await askToken(app, sale, as(await key.sign({ sub: 'a' })))).statusCode).toBe(200);
      }
    } finally {
      await app.close();
    }
  });

  it('checks at most eight signatures of an access token that names no key', async () => {
    const keys = await Promise.all(Array.from({ length: 9 }, (_, i) => newKey(`k${i}`, 'ES256')));
    provider.serve(...keys.map(({ jwk }) => jwk));
    const app = await openKeyed({ JWT_FORMAT: 'alg=ES256' });
    try {
      expect((await askToken(app, sale, as(await keys[7]!.sign({ sub: 'a' }, {})))).statusCode).toBe(200);
      expect(await askToken(app, sale, as(await keys[8]!.sign({ sub: 'a' }, {})))).toBeProblem('unauthenticated');
      expect((await askToken(app, sale, as(await keys[8]!.sign({ sub: 'a' })))).statusCode).toBe(200);
    } finally {
      await app.close();
    }
  });

  it('refuses a key that is not in the set, another algorithm, and the public key used as a secret', async () => {
    const [key, stranger] = [await newKey('one'), await newKey('one')];
    const elliptic = await newKey('two', 'ES256');
    const unknown = await newKey('three');
    provider.serve(key.jwk, elliptic.jwk);
    const app = await openKeyed();
    try {
      expect((await askToken(app, sale, as(await key.sign({ sub: 'a' })))).statusCode).toBe(200);
      const asSecret = await hs256({ sub: 'a', exp: inOneHour() }, JSON.stringify(key.jwk));
      for (const [reason, accessToken] of [
        ['signature', await stranger.sign({ sub: 'a' })],
        ['key', await unknown.sign({ sub: 'a' })],
        ['algorithm', await elliptic.sign({ sub: 'a' })],
        ['algorithm', asSecret],
      ] as const) {
        const before = await refusedFor(app, reason);
        expect(await askToken(app, sale, as(accessToken))).toBeProblem('unauthenticated');
        expect(await refusedFor(app, reason)).toBe(before + 1);
      }
    } finally {
      await app.close();
    }
  });

  it('answers unavailable while there is no key set, without using the caller’s bucket, and works again by itself', async () => {
    const key = await newKey('one');
    provider.answerText('{"error":"maintenance"}');
    const env = { RATE_LIMIT_IP: '1/3', TRUSTED_PROXIES: '127.0.0.1' };
    const app = await openKeyed(env);
    const nowhere = await openKeyed({ ...env, JWKS_URL: 'http://127.0.0.1:9/keys' });
    try {
      const before = provider.fetches;
      const headers = { ...as(await key.sign({ sub: 'a' })), 'x-forwarded-for': '198.51.100.7' };
      for (const one of [app, nowhere]) {
        for (let i = 0; i < 30; i += 1) {
          const answer = await one.get('/api/v1/orders', headers);
          expect(answer).toBeProblem('unavailable');
          expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(5);
        }
      }
      expect(provider.fetches - before).toBeLessThanOrEqual(1);
      provider.serve(key.jwk);
      await expect
        .poll(async () => (await app.get('/api/v1/orders', headers)).statusCode, { timeout: 8_000 })
        .toBe(200);
    } finally {
      await app.close();
      await nowhere.close();
    }
  }, 15_000);
});
