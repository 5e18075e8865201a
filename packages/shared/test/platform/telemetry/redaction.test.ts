import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigSchema, SECRET_SETTINGS, loadConfig, type Config } from '../../../src/platform/config/config.ts';
import { SeckillTokens } from '../../../src/seckill-token/seckill-token.ts';
import { redaction } from '../../../src/platform/telemetry/redaction.ts';
import { openTestContext, type TestContext } from '../../../testing/support.ts';

/** A logger as the processes have it, and the lines that it wrote. */
function loggerOf(config: Partial<Config> = {}) {
  const lines: string[] = [];
  const log = pino({ level: 'trace', ...redaction(config) }, { write: (line: string) => void lines.push(line) });
  return { log, lines };
}

const SECRETS = {
  DB_PASSWORD: 'db"pass\\word',
  REDIS_PASSWORD: 'redis.(pass)*word+',
  JWT_SECRET: 'j'.repeat(32),
  ADMIN_TOKEN: 'operator-token-value',
  TOKEN_SECRETS: 'first-of-two-secrets,second-of-two-secrets',
  STRIPE_SECRET_KEY: 'sk_live_value',
  STRIPE_WEBHOOK_SECRET: 'whsec_value',
};

describe('the log', () => {
  test('never shows the value of a secret setting, from any source', () => {
    const { log, lines } = loggerOf(loadConfig(SECRETS));
    for (const value of Object.values(SECRETS).flatMap((each) => [each, ...each.split(',')])) {
      log.info({ value, deep: { er: { still: [value] } } }, `said: ${value}`);
      log.error({ err: new Error(`failed with ${value}`, { cause: new Error(value) }) }, 'failed');
      const written = lines.splice(0).join('');
      expect(written).toContain('[hidden]');
      expect(written).not.toContain(JSON.stringify(value).slice(1, -1));
      expect(
        written
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line) as unknown),
      ).toHaveLength(2);
    }
  });

  test('never shows access tokens, seckill tokens and credentials, anywhere in a line', () => {
    const seckill = new SeckillTokens(['x'.repeat(16)]).sign({ userId: 'alice', saleId: 17 }, Date.now());
    const access = `eyJhbGciOiJIUzI1NiJ9.${randomBytes(30).toString('base64url')}.${randomBytes(32).toString('base64url')}`;
    const basic = Buffer.from('operator:secret-of-an-operator').toString('base64');
    const { log, lines } = loggerOf();
    for (const hidden of [seckill, access]) {
      log.warn({ body: `{"token":"${hidden}"}` }, `with ${hidden}`);
      log.warn(`glued to${hidden}_something`);
    }
    log.warn({ headers: { authorization: 'Bearer abc', cookie: 'session=abc' } }, `Authorization: Basic ${basic}`);
    log.warn('connecting to redis://:abc@redis.test:6379');
    const written = lines.join('');
    for (const hidden of [seckill, access, basic, 'abc']) expect(written).not.toContain(hidden);
  });

  test('never shows fields with the name of a secret, at any depth and with any content', () => {
    const { log, lines } = loggerOf();
    const values = ['abc"abc', 4711, ['abc', 'x]abc'], { of: 'abc', and: 'x}abc' }, null];
    for (const value of values) {
      log.info({ token: value, a: { password: value, b: { c: [{ Cookie: value }, { secret: value }] } } }, 'expected');
      const line = lines.pop()!;
      expect(line).not.toMatch(/abc|4711/);
      expect(JSON.parse(line)).toMatchObject({ token: '[hidden]', a: { b: { c: [{}, {}] } }, msg: 'expected' });
    }
  });

  test('stays readable', () => {
    const { log, lines } = loggerOf(loadConfig({ DB_PASSWORD: 'x' }));
    log.info({ order_no: '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-17', sale: 17 }, 'expected');
    expect(JSON.parse(lines[0]!)).toMatchObject({
      order_no: '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-17',
      sale: 17,
      msg: 'expected',
    });
  });
});

test('every setting with a name like a secret is marked as one', () => {
  const named = Object.keys(ConfigSchema).filter((name) => /SECRET|PASSWORD|TOKEN$|_KEY$/.test(name));
  expect(named.filter((name) => !SECRET_SETTINGS.includes(name as (typeof SECRET_SETTINGS)[number]))).toEqual([]);
});

describe('what the clients of Redis and MySQL attach to their errors', () => {
  let context: TestContext;
  beforeAll(async () => {
    context = await openTestContext();
  });
  afterAll(() => context.close());

  test('the arguments of a Redis command are not logged', async () => {
    const { log, lines } = loggerOf();
    const error: unknown = await (context.redis as Redis)
      .call('SET', 'k', 'v', 'argument-of-a-command')
      .catch((e: unknown) => e);
    expect(JSON.stringify(error)).toContain('argument-of-a-command');
    log.error({ err: error }, 'failed');
    expect(JSON.parse(lines[0]!)).toMatchObject({
      err: { type: 'ReplyError', message: expect.stringContaining('syntax') },
    });
    expect(lines[0]).not.toContain('argument-of-a-command');
  });

  test('a password that Redis refuses is not logged', async () => {
    const { log, lines } = loggerOf();
    const [host, port] = context.config.REDIS_ADDR.split(':');
    const client = new Redis({
      host: host!,
      port: Number(port),
      // Without a name, a Redis that needs no password accepts any.
      username: 'nobody',
      password: 'wrong-password',
      retryStrategy: () => null,
    });
    const error = await new Promise((resolve) => client.once('error', resolve));
    client.disconnect();
    log.warn({ err: error }, 'redis connection');
    expect(lines[0]).toMatch(/WRONGPASS|AUTH/);
    expect(lines[0]).not.toContain('wrong-password');
  });

  test('the values of a statement that MySQL refuses are not logged', async () => {
    const { log, lines } = loggerOf();
    const error: unknown = await sql`INSERT INTO nowhere VALUES (${'value-of-a-statement'})`
      .execute(context.db)
      .catch((e: unknown) => e);
    log.error({ err: error }, 'failed');
    expect(JSON.parse(lines[0]!)).toMatchObject({ err: { code: 'ER_NO_SUCH_TABLE' } });
    expect(lines[0]).not.toContain('value-of-a-statement');
  });
});
