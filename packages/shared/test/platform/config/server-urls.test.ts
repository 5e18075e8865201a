import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/platform/config/config.ts';
import { connectDb } from '../../../src/platform/mysql/client.ts';
import { migrate } from '../../../src/platform/mysql/migrate.ts';
import { connectRedis } from '../../../src/platform/redis/client.ts';
import { openTestContext, type TestContext } from '../../../testing/support.ts';

let context: TestContext;
const user = `u-${randomUUID()}`;
const PASSWORD = 'p@ss:/?#%';

beforeAll(async () => {
  context = await openTestContext();
  await context.redis.call('ACL', 'SETUSER', user, 'on', `>${PASSWORD}`, '~*', '&*', '+@all');
});

afterAll(async () => {
  await context.redis.call('ACL', 'DELUSER', user);
  await context.close();
});

const encoded = encodeURIComponent(PASSWORD);
const redisUrl = () => `redis://${user}:${encoded}@${context.config.REDIS_ADDR}/3`;

describe('Redis', () => {
  it.each([
    ['REDIS_URL', () => ({ REDIS_URL: redisUrl() })],
    [
      'REDIS_URL and REDIS_PASSWORD',
      () => ({ REDIS_URL: `redis://${user}@${context.config.REDIS_ADDR}/3`, REDIS_PASSWORD: PASSWORD }),
    ],
  ])('is reached as the user of an ACL, in the database that is named: %s', async (_, env) => {
    const redis = connectRedis(loadConfig(env()), 'background');
    try {
      expect(await redis.call('ACL', 'WHOAMI')).toBe(user);
      expect(await redis.client('INFO')).toContain(' db=3 ');
    } finally {
      redis.disconnect();
    }
  });
});

describe('MySQL', () => {
  it('is reached by DB_URL, with a database whose name has a hyphen', async () => {
    const { DB_HOST, DB_PORT, DB_USER, DB_PASSWORD } = context.config;
    const name = `flash-sale-${randomUUID().slice(0, 8)}`;
    const access = [DB_USER, DB_PASSWORD].map(encodeURIComponent).join(':');
    const config = loadConfig({ DB_URL: `mysql://${access}@${DB_HOST}:${DB_PORT}/${name}` });
    const db = connectDb(config, 'general');
    try {
      expect(await migrate(config)).not.toEqual([]);
      const { rows } = await sql<{ name: string }>`SELECT DATABASE() AS name`.execute(db);
      expect(rows).toEqual([{ name }]);
    } finally {
      await sql`DROP DATABASE ${sql.id(name)}`.execute(db);
      await db.destroy();
    }
  });
});
