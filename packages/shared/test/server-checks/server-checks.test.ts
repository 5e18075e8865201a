import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { privateMysqlUser, startMysql } from '../../../../infra/src/services/mysql.ts';
import { startRedis } from '../../../../infra/src/services/redis.ts';
import { ConfigError, type Config } from '../../src/platform/config/config.ts';
import type { Db } from '../../src/platform/mysql/client.ts';
import type { Keys } from '../../src/platform/redis/keys.ts';
import { checkServers } from '../../src/server-checks/server-checks.ts';
import { connectRedis, type RedisClient } from '../../src/platform/redis/client.ts';
import { createCommands, type Commands } from '../../src/commands.ts';
import { openTestContext, type TestContext } from '../../testing/support.ts';

let context: TestContext;
let folder: string;

beforeAll(async () => {
  context = await openTestContext();
  folder = await mkdtemp(join(tmpdir(), 'server-checks-'));
});
afterAll(async () => {
  await context.close();
  await rm(folder, { recursive: true });
});

/** The warnings of a check, with these servers in place of the context's. */
async function warningsOf(
  deps: {
    redis?: RedisClient;
    commands?: Commands;
    db?: Db;
    keys?: Keys;
    NODE_ENV?: Config['NODE_ENV'];
    env?: Partial<Config>;
  } = {},
) {
  const lines: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line) => void lines.push(line) });
  const { NODE_ENV = 'development', env = {}, ...servers } = deps;
  const config = { ...context.config, NODE_ENV, ...env };
  const connect = () => connectRedis(config, 'background').on('error', () => undefined);
  await checkServers({ ...context, ...servers, config, connect, log });
  return lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
}

it('servers that keep accepted orders pass without a message', async () => {
  await expect(warningsOf()).resolves.toEqual([]);
  await expect(warningsOf({ NODE_ENV: 'production' })).resolves.toEqual([]);
});

it('a Redis that may evict or lose keys is named by its settings, and refused in production', async () => {
  const server = await startRedis({
    dataDir: folder,
    password: 'p',
    flags: ['--appendonly', 'no', '--maxmemory-policy', 'allkeys-lru'],
  });
  const redis = connectRedis(
    { ...context.config, REDIS_ADDR: `${server.host}:${server.port}`, REDIS_PASSWORD: 'p' },
    'background',
  );
  try {
    const commands = createCommands(redis, context.keys);
    const env = { REDIS_ADDR: `${server.host}:${server.port}`, REDIS_PASSWORD: 'p' };
    const warnings = await warningsOf({ redis, commands, env });
    expect(warnings.join('\n')).toMatch(/maxmemory-policy is allkeys-lru/);
    expect(warnings.join('\n')).toMatch(/appendonly is no/);
    const refused = warningsOf({ redis, commands, env, NODE_ENV: 'production' });
    await expect(refused).rejects.toThrow(ConfigError);
    await expect(refused).rejects.toThrow(/maxmemory-policy/);
  } finally {
    redis.disconnect();
    await server.stop();
  }
});

it('a Redis that keeps long hashes as lists, or closes idle connections, only causes a warning, in production too: it costs CPU time, or a call that is repeated', async () => {
  const flags = ['--hash-max-listpack-entries', '65', '--timeout', '300'];
  const server = await startRedis({ dataDir: folder, name: 'lists', flags });
  const env = { REDIS_ADDR: `${server.host}:${server.port}`, REDIS_PASSWORD: '' };
  const redis = connectRedis({ ...context.config, ...env }, 'background');
  try {
    const commands = createCommands(redis, context.keys);
    const advice = [
      'Redis timeout is 300: with 0 no call finds its idle connection closed',
      'Redis hash-max-listpack-entries is 65: with 64 buys cost Redis less CPU time',
    ];
    await expect(warningsOf({ redis, commands, env, NODE_ENV: 'production' })).resolves.toEqual(advice);
    await redis.acl('SETUSER', 'default', '-config');
    await expect(warningsOf({ redis, commands, env })).resolves.toEqual([]);
  } finally {
    redis.disconnect();
    await server.stop();
  }
});

it('a full Redis only causes a warning, in production too: the service may have filled it, and must be able to start again', async () => {
  const server = await startRedis({ dataDir: folder, name: 'full', flags: ['--maxmemory', '100kb'] });
  const env = { REDIS_ADDR: `${server.host}:${server.port}`, REDIS_PASSWORD: '' };
  const redis = connectRedis({ ...context.config, ...env }, 'background');
  try {
    const commands = createCommands(redis, context.keys);
    const warnings = await warningsOf({ redis, commands, env, NODE_ENV: 'production' });
    expect(warnings).toEqual([expect.stringMatching(/^Redis: maxmemory is reached: raise it/)]);
  } finally {
    redis.disconnect();
    await server.stop();
  }
});

it('a MySQL that may lose a commit is named by its setting', async () => {
  const server = await startMysql({
    dataDir: folder,
    password: 'p',
    flags: ['--innodb-flush-log-at-trx-commit=2'],
  });
  const own = await openTestContext({
    DB_HOST: server.host,
    DB_PORT: String(server.port),
    DB_USER: privateMysqlUser,
    DB_PASSWORD: 'p',
  });
  try {
    const warnings = await warningsOf({ db: own.db, keys: own.keys });
    expect(warnings).toEqual([expect.stringMatching(/innodb_flush_log_at_trx_commit is 2/)]);
  } finally {
    await own.close();
    await server.stop();
  }
});

it('keys that belong to another database are refused everywhere', async () => {
  const other = await openTestContext();
  await expect(warningsOf()).resolves.toEqual([]);
  for (const NODE_ENV of ['development', 'production'] as const) {
    await expect(warningsOf({ db: other.db, NODE_ENV })).rejects.toThrow(/belong to another database/);
  }
  await other.close();
});

it('a clock that differs from Redis’s is named', async () => {
  const late: Commands = {
    ...context.commands,
    clock: async (shard) => {
      const { nowMs, historyId } = await context.commands.clock(shard);
      return { nowMs: nowMs + 10_000, historyId };
    },
  };
  const warnings = await warningsOf({ commands: late });
  expect(warnings.join('\n')).toMatch(/clock differs from Redis's by (9|10)\d{3} ms/);
});

it('a server that does not answer only causes a warning', async () => {
  const redis = connectRedis({ ...context.config, REDIS_ADDR: '127.0.0.1:1', REDIS_TIMEOUT_MS: 100 }, 'request');
  redis.on('error', () => undefined);
  try {
    const warnings = await warningsOf({
      redis,
      commands: createCommands(redis, context.keys),
      env: { REDIS_ADDR: '127.0.0.1:1' },
      NODE_ENV: 'production',
    });
    expect(warnings).toContain('could not check a server');
  } finally {
    redis.disconnect();
  }
});
