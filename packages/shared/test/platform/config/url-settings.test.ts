import { describe, expect, test } from 'vitest';
import { ConfigError, loadConfig } from '../../../src/platform/config/config.ts';
import { createAuthority } from '../../../testing/certificates.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** The lines that say what does not fit. */
function problemsOf(env: Env): string[] {
  try {
    loadConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n').slice(1);
    throw error;
  }
}

const { cert: CERT } = createAuthority('one').issue('a');
/** Must not occur in any message. */
const SECRET = 'hunter2';

describe('the URL of a server', () => {
  test.each([
    [
      'mysql://seckill:p%40%2Fss@mysql.test:3307/flash-sale',
      { DB_HOST: 'mysql.test', DB_PORT: 3307, DB_USER: 'seckill', DB_PASSWORD: 'p@/ss', DB_NAME: 'flash-sale' },
    ],
    ['mariadb://[::1]', { DB_HOST: '::1', DB_PORT: 3306, DB_USER: 'root', DB_PASSWORD: '', DB_NAME: 'seckill' }],
    ['mysql://u%20s@a/', { DB_HOST: 'a', DB_USER: 'u s', DB_NAME: 'seckill' }],
  ])('DB_URL=%s', (DB_URL, settings) => {
    expect(loadConfig({ DB_URL })).toMatchObject(settings);
  });

  test.each([
    [
      'redis://redis.test',
      { REDIS_ADDR: 'redis.test:6379', REDIS_TLS: false, REDIS_USERNAME: '', REDIS_PASSWORD: '', REDIS_DB: 0 },
    ],
    ['redis://u@a,b:7000/', { REDIS_ADDR: 'a:6379,b:7000', REDIS_USERNAME: 'u' }],
    [
      'rediss://shop:p%40ss@[::1]:6380/3',
      { REDIS_ADDR: '[::1]:6380', REDIS_TLS: true, REDIS_USERNAME: 'shop', REDIS_PASSWORD: 'p@ss', REDIS_DB: 3 },
    ],
    ['redis://:p@10.0.0.1/', { REDIS_ADDR: '10.0.0.1:6379', REDIS_PASSWORD: 'p', REDIS_DB: 0 }],
  ])('REDIS_URL=%s', (REDIS_URL, settings) => {
    const env = { REDIS_URL, REDIS_CLUSTER: String(REDIS_URL.includes(',')) };
    expect(loadConfig(env)).toMatchObject(settings);
  });

  test.each([
    ['DB_URL', 'postgres://a/b'],
    ['DB_URL', `mysql://u:${SECRET}/x@a/b`],
    ['DB_URL', `mysql://u:1#${SECRET}@a/b`],
    ['DB_URL', `mysql://u:1?${SECRET}@a/b`],
    ['DB_URL', `mysql://u:%zz${SECRET}@a/b`],
    ['DB_URL', `mysql://u:${SECRET}@a/b?ssl-mode=REQUIRED`],
    ['DB_URL', `mysql://u:${SECRET}@a/b/c`],
    ['DB_URL', 'mysql:///b'],
    ['DB_URL', 'a:3306'],
    ['REDIS_URL', `http://u:${SECRET}@a`],
    ['REDIS_URL', `redis://u:${SECRET}@a/shop`],
    ['REDIS_URL', `redis://u:${SECRET}@a:99999`],
    ['REDIS_URL', 'a:6379'],
  ])('%s=%s is refused with the three parts, and its password is not told', (name, url) => {
    const lines = problemsOf({ [name]: url });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      new RegExp(`^  ${name} is hidden \\(\\d+ characters\\)\\. It must be .+%40\\. Example: ${name}=`),
    );
    expect(lines[0]).not.toContain(SECRET);
  });

  test('may stand beside the settings that say the same', () => {
    const same = {
      DB_URL: 'mysql://u:p@a/n',
      DB_HOST: 'a',
      DB_PORT: '3306',
      DB_USER: 'u',
      DB_PASSWORD: 'p',
      DB_NAME: 'n',
    };
    expect(loadConfig(same)).toMatchObject({ DB_HOST: 'a', DB_NAME: 'n' });
    const redis = { REDIS_URL: 'rediss://a', REDIS_ADDR: 'a:6379', REDIS_TLS: '1', REDIS_PASSWORD: 'p' };
    expect(loadConfig(redis)).toMatchObject({ REDIS_TLS: true, REDIS_PASSWORD: 'p' });
  });

  test.each([
    [{ DB_URL: `mysql://u:${SECRET}@a/n`, DB_PASSWORD: 'Hunter2' }, 'DB_PASSWORD'],
    [{ DB_URL: 'mysql://a/n', DB_NAME: 'm' }, 'DB_NAME'],
    [{ DB_URL: 'mysql://a/n', DB_PORT: '3307' }, 'DB_PORT'],
    [{ REDIS_URL: 'redis://a', REDIS_TLS: 'true' }, 'REDIS_TLS'],
    [{ REDIS_URL: 'rediss://a', REDIS_TLS: 'false' }, 'REDIS_TLS'],
    [{ REDIS_URL: 'redis://a', REDIS_TLS: CERT }, 'REDIS_TLS'],
  ])('contradicts no other setting: %j', (env, name) => {
    expect(problemsOf(env).join('\n')).toMatch(new RegExp(`URL and ${name} are both set`));
    expect(problemsOf(env).join('\n')).not.toContain(SECRET);
  });
});

describe('Sentinels', () => {
  test('have users and passwords of their own, and find the master that REDIS_URL names', () => {
    const env = { REDIS_SENTINELS: 'watch:p%40ss@a:26379, b:26380', REDIS_URL: 'rediss://shop:secret@sale-master/2' };
    expect(loadConfig(env)).toMatchObject({
      REDIS_SENTINELS: 'a:26379,b:26380',
      REDIS_SENTINEL_USERNAME: 'watch',
      REDIS_SENTINEL_PASSWORD: 'p@ss',
      REDIS_SENTINEL_MASTER: 'sale-master',
      REDIS_USERNAME: 'shop',
      REDIS_PASSWORD: 'secret',
      REDIS_DB: 2,
      REDIS_TLS: true,
    });
  });

  test('watch mymaster and ask for nothing unless something else is set', () => {
    expect(loadConfig({ REDIS_SENTINELS: 'a:1', REDIS_PASSWORD: 'p' })).toMatchObject({
      REDIS_SENTINEL_MASTER: 'mymaster',
      REDIS_SENTINEL_USERNAME: '',
      REDIS_SENTINEL_PASSWORD: '',
      REDIS_USERNAME: '',
      REDIS_DB: 0,
    });
  });
});

describe('a setting that has several parts', () => {
  test.each<[Env, object]>([
    [{}, { DRAIN_MS: 500, SHUTDOWN_GRACE_MS: 7_000, RATE_LIMIT_IP_PER_SECOND: 200, RATE_LIMIT_IP_CAPACITY: 2_000 }],
    [{ SHUTDOWN_MS: '0 / 100' }, { DRAIN_MS: 0, SHUTDOWN_GRACE_MS: 100 }],
    [{}, { RATE_LIMIT_LEDGER_PER_SECOND: 5, RATE_LIMIT_LEDGER_CAPACITY: 50 }],
    [{ RATE_LIMIT_IP: '1/5' }, { RATE_LIMIT_IP_PER_SECOND: 1, RATE_LIMIT_IP_CAPACITY: 5 }],
    [
      { JWT_FORMAT: 'sub=https://shop.example/id?a=b, tolerance=0' },
      {
        JWT_ALGORITHM: 'RS256',
        JWT_SUBJECT_CLAIM: 'https://shop.example/id?a=b',
        JWT_AUDIENCE_CLAIM: 'aud',
        JWT_CLOCK_TOLERANCE_SECONDS: 0,
      },
    ],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:4318' }, { TRACING: true }],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://a:4318' }, { TRACING: true }],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:4318', OTEL_SDK_DISABLED: 'true' }, { TRACING: false }],
    [{}, { TRACING: false }],
  ])('%j', (env, settings) => {
    expect(loadConfig(env)).toMatchObject(settings);
  });
});
