import type { JWTPayload } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { newKey, openKeyProvider, type KeyProvider } from '../identity/key-provider.ts';
import { openApp, testContext, type TestApp } from '../../testing/support.ts';
import {
  AUDIENCE,
  ISSUER,
  SECRET,
  bearer,
  askToken,
  hs256,
  inOneHour,
  refusedFor,
  valid,
} from '../identity/access-tokens.ts';

const context = await testContext({ AUTH_MODE: 'jwt', JWT_SECRET: SECRET });

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
      expect((await app.get('/api/v1/orders?user_id=dev', bearer(accessToken!))).statusCode).toBe(200);
      expect(await app.get('/api/v1/orders?user_id=other', bearer(accessToken!))).toBeProblem('forbidden');
      expect(await logIn(app, 'a b')).toBeProblem('invalid_request');
    } finally {
      await app.close();
    }
  });

  it.each<[string, Record<string, string>]>([
    ['in production', { NODE_ENV: 'production', PAYMENT_PROVIDER: 'sandbox' }],
    ['if another service signs access tokens', { JWT_SECRET: '', JWKS_URL: 'http://127.0.0.1:9/keys' }],
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
    expect((await askToken(app, sale, bearer(await valid('a', { iss: ISSUER, aud: AUDIENCE })))).statusCode).toBe(200);
    const among = await valid('b', { iss: ISSUER, aud: ['other', AUDIENCE] });
    expect((await askToken(app, sale, bearer(among))).statusCode).toBe(200);
  });

  it.each<[string, JWTPayload]>([
    ['the first of two issuers and the second of two audiences', { iss: ISSUER, aud: 'mobile' }],
    ['the second of two issuers and the first of two audiences', { iss: 'https://other.test', aud: AUDIENCE }],
  ])('takes %s', async (_what, claims) => {
    const both = await openApp(context, {
      JWT_ISSUER: `${ISSUER},https://other.test`,
      JWT_AUDIENCE: `${AUDIENCE},mobile`,
    });
    try {
      expect((await askToken(both, sale, bearer(await valid('a', claims)))).statusCode).toBe(200);
      for (const wrong of [
        { ...claims, iss: `${ISSUER},https://other.test` },
        { ...claims, aud: `${AUDIENCE},mobile` },
        { ...claims, iss: 'https://other.test/' },
      ]) {
        expect(await askToken(both, sale, bearer(await valid('a', wrong)))).toBeProblem('unauthenticated');
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
    expect(await askToken(app, sale, bearer(await valid('alice', claims)))).toBeProblem('unauthenticated');
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
        expect((await askToken(app, sale, bearer(await key.sign({ sub: shopper })), shopper)).statusCode).toBe(200);
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
      expect((await askToken(app, sale, bearer(await first.sign({ sub: 'a' })))).statusCode).toBe(200);
      const fetchedAtMs = provider.askedAtMs;
      provider.serve(second.jwk);
      const before = provider.fetches;
      const rotated = bearer(await second.sign({ sub: 'b' }));
      expect(await askToken(app, sale, rotated)).toBeProblem('unauthenticated');
      expect(provider.fetches).toBe(before);
      await expect.poll(async () => (await askToken(app, sale, rotated)).statusCode, { timeout: 6_000 }).toBe(200);
      // Measured at the provider. The first call may have reached it late.
      expect(provider.askedAtMs - fetchedAtMs).toBeGreaterThan(4_000);
      expect(provider.fetches).toBe(before + 1);
      expect(await askToken(app, sale, bearer(await first.sign({ sub: 'c' })))).toBeProblem('unauthenticated');
    } finally {
      await app.close();
    }
  }, 10_000);

  it('tries the matching keys in turn if an access token names none, and finds a new one', async () => {
    const [first, second, third] = [await newKey('first'), await newKey(undefined), await newKey('third')];
    provider.serve(first.jwk, second.jwk);
    const app = await openKeyed();
    try {
      expect((await askToken(app, sale, bearer(await first.sign({ sub: 'a' }, {})))).statusCode).toBe(200);
      expect((await askToken(app, sale, bearer(await second.sign({ sub: 'b' }, {})))).statusCode).toBe(200);
      const unknown = bearer(await third.sign({ sub: 'c' }, {}));
      expect(await askToken(app, sale, unknown)).toBeProblem('unauthenticated');
      provider.serve(first.jwk, second.jwk, third.jwk);
      await expect.poll(async () => (await askToken(app, sale, unknown)).statusCode, { timeout: 6_000 }).toBe(200);
      const expired = bearer(await second.sign({ sub: 'b', exp: 1 }, {}));
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
        expect((await askToken(app, sale, bearer(await key.sign({ sub: 'a' })))).statusCode).toBe(200);
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
      expect((await askToken(app, sale, bearer(await keys[7]!.sign({ sub: 'a' }, {})))).statusCode).toBe(200);
      expect(await askToken(app, sale, bearer(await keys[8]!.sign({ sub: 'a' }, {})))).toBeProblem('unauthenticated');
      expect((await askToken(app, sale, bearer(await keys[8]!.sign({ sub: 'a' })))).statusCode).toBe(200);
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
      expect((await askToken(app, sale, bearer(await key.sign({ sub: 'a' })))).statusCode).toBe(200);
      const asSecret = await hs256({ sub: 'a', exp: inOneHour() }, JSON.stringify(key.jwk));
      for (const [reason, accessToken] of [
        ['signature', await stranger.sign({ sub: 'a' })],
        ['key', await unknown.sign({ sub: 'a' })],
        ['algorithm', await elliptic.sign({ sub: 'a' })],
        ['algorithm', asSecret],
      ] as const) {
        const before = await refusedFor(app, reason);
        expect(await askToken(app, sale, bearer(accessToken))).toBeProblem('unauthenticated');
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
      const headers = { ...bearer(await key.sign({ sub: 'a' })), 'x-forwarded-for': '198.51.100.7' };
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
