import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Sale } from '@flash-sale/shared/domain/sale.ts';
import { openApp, openTestContext, settleOrder, type TestApp, type TestContext } from '../support.ts';

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
    sale = await context.openSale({ seckill_stock: 1_000 });
  });

  afterAll(() => app.close());

  it('takes the shopper from the access token: token, buy, poll and list need no user_id', async () => {
    const headers = as(await valid('alice'));
    const token = (await askToken(app, sale, headers)).json<{ token: string }>().token;
    const bought = await app.post('/api/v1/seckill/buy', { product_id: sale.id, token }, headers);
    expect(bought.statusCode).toBe(202);
    const { order_no } = bought.json<{ order_no: string }>();
    expect((await app.get(`/api/v1/orders/${order_no}`, headers)).json()).toMatchObject({ user_id: 'alice' });
    await settleOrder(context, sale, order_no);
    expect((await app.get('/api/v1/orders', headers)).json()).toMatchObject({ items: [{ order_no }] });
  });

  it('takes a user_id that is the subject', async () => {
    expect((await askToken(app, sale, as(await valid('bob')), 'bob')).statusCode).toBe(200);
  });

  it('forbids every call in somebody else’s name', async () => {
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

  it('shows an order to its owner only: to others it does not exist, queued or settled, waiting or not', async () => {
    const owner = as(await valid('owner'));
    const token = (await askToken(app, sale, owner)).json<{ token: string }>().token;
    const { order_no } = (await app.post('/api/v1/seckill/buy', { product_id: sale.id, token }, owner)).json<{
      order_no: string;
    }>();
    const other = as(await valid('Owner'));
    expect(await app.get(`/api/v1/orders/${order_no}`, other)).toBeProblem('not_found');
    await settleOrder(context, sale, order_no);
    expect(await app.get(`/api/v1/orders/${order_no}`, other)).toBeProblem('not_found');
    expect(await app.get(`/api/v1/orders/${order_no}?wait=5`, other)).toBeProblem('not_found');
    expect((await app.get(`/api/v1/orders/${order_no}`, owner)).statusCode).toBe(200);
  });

  it('does not let one shopper use the seckill token of another', async () => {
    const token = (await askToken(app, sale, as(await valid('victim')))).json<{ token: string }>().token;
    const thief = as(await valid('thief'));
    expect(await app.post('/api/v1/seckill/buy', { product_id: sale.id, token }, thief)).toBeProblem('token_invalid');
  });

  it('leaves products open to everybody', async () => {
    expect((await app.get(`/api/v1/products/${sale.id}`)).statusCode).toBe(200);
  });

  it.each<[string, () => Promise<string | undefined>]>([
    ['no access token', async () => undefined],
    ['an empty header', async () => ''],
    ['another scheme', async () => `Basic ${await valid('alice')}`],
    ['a bearer of nothing', async () => 'Bearer '],
    ['nonsense', async () => 'Bearer nonsense'],
    ['three dots', async () => 'Bearer ...'],
    ['two access tokens', async () => `Bearer ${await valid('alice')} ${await valid('alice')}`],
    ['an expired one', async () => `Bearer ${await hs256({ sub: 'alice', exp: Math.floor(Date.now() / 1_000) - 1 })}`],
    ['one that never expires', async () => `Bearer ${await hs256({ sub: 'alice' })}`],
    ['one that is not valid yet', async () => `Bearer ${await valid('alice', { nbf: inOneHour() })}`],
    ['one without a subject', async () => `Bearer ${await hs256({ exp: inOneHour() })}`],
    ['one whose subject is no shopper', async () => `Bearer ${await valid('u 1')}`],
    ['one whose subject is empty', async () => `Bearer ${await valid('')}`],
    ['one whose subject is too long', async () => `Bearer ${await valid('x'.repeat(65))}`],
    [
      'one whose subject is a number',
      async () => `Bearer ${await hs256({ sub: 5 as unknown as string, exp: inOneHour() })}`,
    ],
    ['a wrong key', async () => `Bearer ${await hs256({ sub: 'alice', exp: inOneHour() }, SECRET.toUpperCase())}`],
    [
      'another algorithm',
      async () => `Bearer ${await hs256({ sub: 'alice', exp: inOneHour() }, SECRET.repeat(2), 'HS512')}`,
    ],
    [
      'the right key under another algorithm',
      async () => `Bearer ${await hs256({ sub: 'alice', exp: inOneHour() }, SECRET, 'HS384').catch(() => 'x.y.z')}`,
    ],
    [
      'algorithm none',
      async () => {
        const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
        return `Bearer ${part({ alg: 'none' })}.${part({ sub: 'alice', exp: inOneHour() })}.`;
      },
    ],
    [
      'a changed payload',
      async () => {
        const [head, , mac] = (await valid('mallory')).split('.');
        const payload = Buffer.from(JSON.stringify({ sub: 'alice', exp: inOneHour() })).toString('base64url');
        return `Bearer ${head}.${payload}.${mac}`;
      },
    ],
    ['one of 5,000 characters', async () => `Bearer ${await valid('alice', { pad: 'x'.repeat(5_000) })}`],
  ])('refuses %s on every call of a shopper', async (_what, authorization) => {
    const value = await authorization();
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
      expect(answer.headers['www-authenticate']).toBe('Bearer');
    }
  });

  it('does not believe an access token past its expiry because it was verified before', async () => {
    const exp = Math.floor(Date.now() / 1_000) + 2;
    const headers = as(await hs256({ sub: 'brief', exp }));
    expect((await askToken(app, sale, headers)).statusCode).toBe(200);
    await expect.poll(async () => (await askToken(app, sale, headers)).statusCode, { timeout: 10_000 }).toBe(401);
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1_000);
  });
});

describe('callers without a valid access token', () => {
  const from = (address: string, headers: Record<string, string>) => ({ ...headers, 'x-forwarded-for': address });

  it('are refused by their address after a few, before another signature is checked; who has one goes on', async () => {
    const app = await openApp(context, {
      RATE_LIMIT_IP_CAPACITY: '3',
      RATE_LIMIT_IP_PER_SECOND: '1',
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
      // An access token that was verified before costs nothing, nor does another address pay for this one.
      expect((await list(from(attacker, good))).statusCode).toBe(200);
      expect(await list(from('198.51.100.10', {}))).toBeProblem('unauthenticated');
    } finally {
      await app.close();
    }
  });
});

describe('the development login', () => {
  const logIn = (app: TestApp, userId: string) => app.post('/api/v1/dev/session', { user_id: userId });

  it('gives an access token that the service takes, issuer and audience included', async () => {
    const app = await openApp(context, { JWT_ISSUER: ISSUER, JWT_AUDIENCE: AUDIENCE });
    try {
      const answer = await logIn(app, 'dev');
      expect(answer.statusCode).toBe(200);
      expect(answer.headers['cache-control']).toBe('no-store');
      const { access_token, token_type, expires_at } = answer.json<Record<string, string>>();
      expect(token_type).toBe('Bearer');
      expect(Date.parse(expires_at!) - Date.now()).toBeLessThanOrEqual(3_600_000);
      expect((await app.get('/api/v1/orders?user_id=dev', as(access_token!))).statusCode).toBe(200);
      expect(await app.get('/api/v1/orders?user_id=other', as(access_token!))).toBeProblem('forbidden');
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

  it('takes the right ones', async () => {
    expect((await askToken(app, sale, as(await valid('a', { iss: ISSUER, aud: AUDIENCE })))).statusCode).toBe(200);
    const among = await valid('b', { iss: ISSUER, aud: ['other', AUDIENCE] });
    expect((await askToken(app, sale, as(among))).statusCode).toBe(200);
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
  /** An identity provider: serves the public keys that it holds just now. */
  let provider: Server;
  let keys: object[] = [];
  let fetches = 0;
  let status = 200;
  let url: string;
  let sale: Sale;

  beforeAll(async () => {
    provider = createServer((_request, response) => {
      fetches += 1;
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }));
    }).listen(0, '127.0.0.1');
    await once(provider, 'listening');
    url = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/keys`;
    sale = await context.openSale();
  });

  afterAll(() => {
    provider.close();
    provider.closeAllConnections();
  });

  afterEach(() => {
    vi.useRealTimers();
    status = 200;
  });

  async function newKey(kid: string, algorithm = 'RS256') {
    const { publicKey, privateKey } = await generateKeyPair(algorithm);
    return {
      jwk: { ...(await exportJWK(publicKey)), kid, alg: algorithm, use: 'sig' },
      sign: (sub: string) =>
        new SignJWT({ sub, exp: inOneHour() }).setProtectedHeader({ alg: algorithm, kid }).sign(privateKey),
    };
  }

  const openKeyed = (env: Record<string, string> = {}) => openApp(context, { JWT_SECRET: '', JWKS_URL: url, ...env });

  it('takes what a key of the set has signed, and asks for the set once', async () => {
    const key = await newKey('one');
    keys = [key.jwk];
    const app = await openKeyed();
    try {
      const before = fetches;
      for (const shopper of ['a', 'b', 'c']) {
        expect((await askToken(app, sale, as(await key.sign(shopper)), shopper)).statusCode).toBe(200);
      }
      expect(fetches).toBe(before + 1);
    } finally {
      await app.close();
    }
  });

  it('picks up a rotated key without a restart, and then refuses the one that is gone', async () => {
    const [first, second] = [await newKey('first'), await newKey('second')];
    keys = [first.jwk];
    const app = await openKeyed();
    try {
      expect((await askToken(app, sale, as(await first.sign('a')))).statusCode).toBe(200);
      keys = [second.jwk];
      // A set is fetched again at most every 5 s, lest made-up key ids become requests to the provider.
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 4_000 });
      const before = fetches;
      expect(await askToken(app, sale, as(await second.sign('b')))).toBeProblem('unauthenticated');
      expect(fetches).toBe(before);
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 1_001 });
      expect((await askToken(app, sale, as(await second.sign('b')))).statusCode).toBe(200);
      expect(await askToken(app, sale, as(await first.sign('c')))).toBeProblem('unauthenticated');
    } finally {
      await app.close();
    }
  });

  it('refuses a key that is not in the set, another algorithm, and the public key used as a secret', async () => {
    const [key, stranger] = [await newKey('one'), await newKey('one')];
    const elliptic = await newKey('two', 'ES256');
    keys = [key.jwk, elliptic.jwk];
    const app = await openKeyed();
    try {
      expect((await askToken(app, sale, as(await key.sign('a')))).statusCode).toBe(200);
      expect(await askToken(app, sale, as(await stranger.sign('a')))).toBeProblem('unauthenticated');
      expect(await askToken(app, sale, as(await elliptic.sign('a')))).toBeProblem('unauthenticated');
      expect(
        await askToken(app, sale, as(await hs256({ sub: 'a', exp: inOneHour() }, JSON.stringify(key.jwk)))),
      ).toBeProblem('unauthenticated');
    } finally {
      await app.close();
    }
  });

  it('answers unavailable, not unauthenticated, while the key set cannot be had; and comes back by itself', async () => {
    const key = await newKey('one');
    keys = [key.jwk];
    status = 500;
    const app = await openKeyed();
    const nowhere = await openKeyed({ JWKS_URL: 'http://127.0.0.1:9/keys' });
    try {
      const headers = as(await key.sign('a'));
      expect(await askToken(app, sale, headers)).toBeProblem('unavailable');
      expect(await askToken(nowhere, sale, headers)).toBeProblem('unavailable');
      status = 200;
      expect((await askToken(app, sale, headers)).statusCode).toBe(200);
    } finally {
      await app.close();
      await nowhere.close();
    }
  });
});
