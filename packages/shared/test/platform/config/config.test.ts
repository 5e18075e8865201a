import { describe, expect, test } from 'vitest';
import { ConfigError, configRows, ConfigSchema, loadConfig } from '../../../src/platform/config/config.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** What `loadConfig` says of settings that do not fit. */
function problemsOf(env: Env): string {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(env)}`);
}

const SECRET = 's'.repeat(32);
const PRODUCTION = { NODE_ENV: 'production', PAYMENT_PROVIDER: 'sandbox' };

describe('the configuration', () => {
  test('keeps the ancestor’s names and defaults', () => {
    expect(loadConfig({})).toMatchObject({
      SERVER_PORT: 8080,
      DB_HOST: '127.0.0.1',
      DB_PORT: 3306,
      DB_USER: 'root',
      DB_PASSWORD: '',
      DB_NAME: 'seckill',
      REDIS_ADDR: '127.0.0.1:6379',
      REDIS_PASSWORD: '',
      RATE_LIMIT_GLOBAL_CAPACITY: 10_000,
      RATE_LIMIT_GLOBAL_PER_SECOND: 1_000,
      RATE_LIMIT_USER_CAPACITY: 5,
      RATE_LIMIT_USER_PER_SECOND: 5,
    });
  });

  test('needs nothing: one shard, one Redis, trusted identity, no operator token', () => {
    const config = loadConfig({});
    expect(config).toMatchObject({ SHARDS: 1, REDIS_CLUSTER: false, AUTH_MODE: 'trusted', LOG_LEVEL: 'info' });
    expect(config.ADMIN_TOKEN).toBeUndefined();
    expect(config.TOKEN_SECRETS).toBeUndefined();
  });

  test('treats an empty variable as not set', () => {
    const empty = Object.fromEntries(Object.keys(ConfigSchema).map((name) => [name, '']));
    expect(loadConfig(empty)).toEqual(loadConfig({}));
  });

  test('ignores the rest of the environment', () => {
    expect(loadConfig({ PATH: '/bin', server_port: 'no' })).toEqual(loadConfig({}));
  });

  test('reads numbers and switches by their type, and text that looks like a number as text', () => {
    const config = loadConfig({
      SERVER_PORT: '0',
      DB_PASSWORD: '0123',
      DB_NAME: '1',
      REDIS_CLUSTER: 'true',
      ADMIN_TOKEN: 'false',
    });
    expect(config).toMatchObject({
      SERVER_PORT: 0,
      DB_PASSWORD: '0123',
      DB_NAME: '1',
      REDIS_CLUSTER: true,
      ADMIN_TOKEN: 'false',
    });
    expect(loadConfig({ REDIS_CLUSTER: '1' }).REDIS_CLUSTER).toBe(true);
    expect(loadConfig({ REDIS_CLUSTER: '0' }).REDIS_CLUSTER).toBe(false);
  });

  test('accepts several Redis addresses, proxies and secrets', () => {
    const several = {
      REDIS_ADDR: 'a:1,b.example:6379',
      REDIS_CLUSTER: 'true',
      TRUSTED_PROXIES: '10.0.0.0/8,::1',
      TOKEN_SECRETS: `${SECRET},${'t'.repeat(16)}`,
    };
    expect(loadConfig(several)).toMatchObject({ ...several, REDIS_CLUSTER: true });
  });

  test.each([
    ['SERVER_PORT', '65536'],
    ['SERVER_PORT', '-1'],
    ['SERVER_PORT', '80abc'],
    ['SERVER_PORT', '1.5'],
    ['SERVER_PORT', '0x10'],
    ['SERVER_PORT', '1e3'],
    ['SERVER_PORT', ' '],
    ['SERVER_PORT', 'true'],
    ['SERVER_PORT', 'NaN'],
    ['SERVER_PORT', '99999999999999999999'],
    ['DB_PORT', '0'],
    ['DB_NAME', 'drop table'],
    ['DB_NAME', 'a`b'],
    ['DB_NAME', 'd'.repeat(65)],
    ['REDIS_ADDR', 'localhost'],
    ['REDIS_ADDR', 'localhost:'],
    ['REDIS_ADDR', 'a:1,,b:2'],
    ['REDIS_ADDR', 'redis://a:1'],
    ['REDIS_CLUSTER', 'perhaps'],
    ['REDIS_SENTINELS', 'a'],
    ['REDIS_SENTINELS', 'a:1,b'],
    ['REDIS_PREFIX', '{shop}:'],
    ['SHARDS', '0'],
    ['LOG_LEVEL', 'loud'],
    ['NODE_ENV', 'staging'],
    ['AUTH_MODE', 'none'],
    ['JWT_SECRET', 's'.repeat(31)],
    ['JWKS_URL', 'ftp://keys'],
    ['JWT_FORMAT', 'alg=none'],
    ['JWT_FORMAT', 'alg=HS256'],
    ['JWT_ISSUER', 'a,'],
    ['JWT_AUDIENCE', 'a b'],
    ['JWT_FORMAT', 'aud=client id'],
    ['JWT_FORMAT', 'sub=a"b'],
    ['TOKEN_SECRETS', 'short'],
    ['TOKEN_SECRETS', `${SECRET},short`],
    ['TOKEN_SECRETS', `${SECRET},`],
    ['TOKEN_TTL_SECONDS', '0'],
    ['TRUSTED_PROXIES', 'everybody'],
    ['RATE_LIMIT_USER_PER_SECOND', '2.5'],
    ['RATE_LIMIT_GLOBAL_CAPACITY', '0'],
    ['RATE_LIMIT_IP', '200'],
    ['SHUTDOWN_MS', '500/99'],
  ])('names %s if it is %j', (name, value) => {
    expect(problemsOf({ [name]: value })).toMatch(new RegExp(`^  ${name} `, 'm'));
  });

  test('names every variable that does not fit in one error, each once', () => {
    const message = problemsOf({ SERVER_PORT: 'x', DB_PORT: 'y', LOG_LEVEL: 'z' });
    const named = message.split('\n').map((line) => line.trim().split(' ', 1)[0]);
    expect(named.slice(1)).toEqual(['LOG_LEVEL', 'SERVER_PORT', 'DB_PORT']);
  });

  test('accepts Sentinels, but not together with a cluster', () => {
    const sentinels = { REDIS_SENTINELS: 'a:26379,b.example:26379' };
    expect(loadConfig(sentinels)).toMatchObject({ ...sentinels, REDIS_SENTINEL_MASTER: 'mymaster' });
    expect(problemsOf({ ...sentinels, REDIS_CLUSTER: 'true' })).toContain('REDIS_CLUSTER and REDIS_SENTINELS');
  });

  test('does not print a secret that does not fit', () => {
    for (const name of ['JWT_SECRET', 'TOKEN_SECRETS'])
      expect(problemsOf({ [name]: 'hunter2' })).not.toContain('hunter2');
  });
});

describe('AUTH_MODE', () => {
  test('is trusted outside production and jwt in it', () => {
    expect(loadConfig({ NODE_ENV: 'test' }).AUTH_MODE).toBe('trusted');
    expect(loadConfig({ ...PRODUCTION, JWT_SECRET: SECRET }).AUTH_MODE).toBe('jwt');
    expect(problemsOf(PRODUCTION)).toContain('AUTH_MODE=jwt needs either JWT_SECRET or JWKS_URL');
  });

  test('jwt needs a secret or a key set, anywhere, and not both', () => {
    const jwt = { AUTH_MODE: 'jwt' };
    expect(problemsOf(jwt)).toContain('JWT_SECRET');
    expect(problemsOf({ ...jwt, JWT_SECRET: SECRET, JWKS_URL: 'https://keys' })).toContain('JWKS_URL');
    expect(loadConfig({ ...jwt, JWT_SECRET: SECRET }).AUTH_MODE).toBe('jwt');
    expect(loadConfig({ ...jwt, JWKS_URL: 'https://keys' }).JWT_ALGORITHM).toBe('RS256');
  });

  test('jwt with a key set in production needs https, and tokens for this service only', () => {
    const safe = {
      ...PRODUCTION,
      JWKS_URL: 'https://identity.example/keys',
      JWT_ISSUER: 'https://identity.example/',
      JWT_AUDIENCE: 'flash-sale',
    };
    expect(loadConfig(safe).AUTH_MODE).toBe('jwt');
    for (const scheme of ['http', 'HTTP']) {
      const problems = problemsOf({ ...safe, JWKS_URL: `${scheme}://identity.example/keys` });
      expect(problems).toContain('JWKS_URL in production must be https');
    }
    expect(problemsOf({ ...safe, JWT_ISSUER: '' })).toContain('JWT_ISSUER');
    expect(problemsOf({ ...safe, JWT_AUDIENCE: '' })).toContain('JWT_AUDIENCE');
    expect(loadConfig({ AUTH_MODE: 'jwt', JWKS_URL: 'http://127.0.0.1/keys' }).JWT_ISSUER).toBeUndefined();
    expect(problemsOf({ ...safe, JWT_AUDIENCE: '', JWT_FORMAT: 'aud=azp' })).toContain('JWT_FORMAT says aud=azp');
  });

  test('trusted in production needs the gateway’s addresses', () => {
    const trusted = { ...PRODUCTION, AUTH_MODE: 'trusted' };
    expect(problemsOf(trusted)).toContain('TRUSTED_PROXIES');
    expect(problemsOf({ ...trusted, TRUSTED_PROXIES: '' })).toContain('TRUSTED_PROXIES');
    expect(loadConfig({ ...trusted, TRUSTED_PROXIES: '10.0.0.0/8' }).AUTH_MODE).toBe('trusted');
  });
});

describe('operator tokens', () => {
  test('must differ, and must be too long to guess in production', () => {
    const production = { ...PRODUCTION, JWT_SECRET: SECRET };
    const long = 'x'.repeat(16);
    expect(problemsOf({ ADMIN_TOKEN: 'same', VIEWER_TOKEN: 'same' })).toContain('VIEWER_TOKEN');
    expect(loadConfig({ ADMIN_TOKEN: 'short', VIEWER_TOKEN: 'other' }).VIEWER_TOKEN).toBe('other');
    expect(problemsOf({ ...production, ADMIN_TOKEN: long.slice(1) })).toContain('ADMIN_TOKEN');
    expect(problemsOf({ ...production, ADMIN_TOKEN: long, VIEWER_TOKEN: 'short' })).toContain('VIEWER_TOKEN');
    expect(loadConfig({ ...production, ADMIN_TOKEN: long }).VIEWER_TOKEN).toBeUndefined();
  });
});

describe('challenges', () => {
  test.each([1, 3, 33])('of %d bits are none', (bits) => {
    expect(problemsOf({ CHALLENGE_BITS: String(bits) })).toContain('CHALLENGE_BITS');
  });

  test.each([0, 4, 16])('of %d bits are', (bits) => {
    expect(loadConfig({ CHALLENGE_BITS: String(bits) }).CHALLENGE_BITS).toBe(bits);
  });
});

describe('the table of settings', () => {
  test('has a row with a description for each, in order, and the defaults that loadConfig takes', () => {
    const rows = configRows();
    expect(rows.map(({ name }) => name)).toEqual(Object.keys(ConfigSchema));
    expect(rows.filter(({ description }) => description === '')).toEqual([]);
    // A default set by hand changes nothing. AUTH_MODE has none, since it depends on NODE_ENV.
    expect(loadConfig(Object.fromEntries(rows.map((row) => [row.name, row.default])))).toEqual(loadConfig({}));
  });
});

describe('payment', () => {
  const LIVE = { NODE_ENV: 'production', JWT_SECRET: SECRET };
  const KEYS = { STRIPE_SECRET_KEY: 'sk_live_1', STRIPE_WEBHOOK_SECRET: 'whsec_1' };

  test('works by default with the sandbox, with a quarter of an hour per order, on this machine', () => {
    const PUBLIC_URL = 'http://127.0.0.1:8080';
    const defaults = { PAYMENT_PROVIDER: 'sandbox', PAYMENT_TIMEOUT_SECONDS: 900, CURRENCY: 'CNY', PUBLIC_URL };
    expect(loadConfig({})).toMatchObject(defaults);
    expect(loadConfig({ SERVER_PORT: '9000' }).PUBLIC_URL).toBe('http://127.0.0.1:9000');
  });

  test('in production must name the provider, since the sandbox takes no money', () => {
    expect(problemsOf(LIVE)).toMatch(/PAYMENT_PROVIDER must be named in production/);
    expect(loadConfig({ ...LIVE, PAYMENT_PROVIDER: 'sandbox' }).PAYMENT_PROVIDER).toBe('sandbox');
  });

  test('by stripe needs both of its secrets, and in production the URL to which shoppers return', () => {
    const stripe = { PAYMENT_PROVIDER: 'stripe' };
    for (const one of [{}, { STRIPE_SECRET_KEY: 'sk' }, { STRIPE_WEBHOOK_SECRET: 'whsec' }]) {
      expect(problemsOf({ ...stripe, ...one })).toMatch(/needs STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET/);
    }
    expect(loadConfig({ ...stripe, ...KEYS }).PAYMENT_PROVIDER).toBe('stripe');
    expect(problemsOf({ ...LIVE, ...stripe, ...KEYS })).toMatch(/needs PUBLIC_URL/);
    expect(loadConfig({ ...LIVE, ...stripe, ...KEYS, PUBLIC_URL: 'https://shop.test' }).PUBLIC_URL).toBe(
      'https://shop.test',
    );
  });

  test.each(['JPY', 'KWD'])('is not taken in %s, whose prices have other decimals than ours', (CURRENCY) => {
    expect(problemsOf({ CURRENCY })).toMatch(/divided into a hundred/);
  });

  test.each(['CNY', 'EUR', 'USD'])('is taken in %s', (CURRENCY) => {
    expect(loadConfig({ CURRENCY }).CURRENCY).toBe(CURRENCY);
  });

  test.each(['eur', 'EURO', '€'])('knows no currency %j', (CURRENCY) => {
    expect(problemsOf({ CURRENCY })).toMatch(/CURRENCY/);
  });

  test('times are whole seconds of at least one', () => {
    for (const PAYMENT_TIMEOUT_SECONDS of ['0', '-1', '1.5']) {
      expect(problemsOf({ PAYMENT_TIMEOUT_SECONDS })).toMatch(/PAYMENT_TIMEOUT_SECONDS/);
    }
    expect(loadConfig({ PAYMENT_TIMEOUT_SECONDS: '5' }).PAYMENT_TIMEOUT_SECONDS).toBe(5);
  });
});
