import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { privateMysqlUser, startMysql } from '../../../../infra/src/services/mysql.ts';
import { startRedis } from '../../../../infra/src/services/redis.ts';
import { ConfigError, type Config } from '../../src/platform/config/config.ts';
import { connectDb, type Db } from '../../src/platform/mysql/client.ts';
import { migrate } from '../../src/platform/mysql/migrate.ts';
import { TABLES } from '../../src/server-checks/mysql-check.ts';
import { SCRIPT_CALLS } from '../../src/server-checks/redis-check.ts';
import { ServerReadiness } from '../../src/platform/process/readiness.ts';
import { checkServers } from '../../src/server-checks/server-checks.ts';
import { connectRedis } from '../../src/platform/redis/client.ts';
import { Keys } from '../../src/platform/redis/keys.ts';
import { createCommands } from '../../src/commands.ts';
import { luaFiles } from '../lua-files.ts';
import { openTestContext, type TestContext } from '../../testing/support.ts';

let context: TestContext;
let folder: string;
beforeAll(async () => {
  context = await openTestContext();
  folder = await mkdtemp(join(tmpdir(), 'tried-servers-'));
});
afterAll(async () => {
  await context.close();
  await rm(folder, { recursive: true });
});

/**
 * What the check at start says of the context's servers, with these settings in place of the
 * context's.
 */
async function problemsOf(env: Partial<Config>, db: Db = context.db, orderBatchMax?: number): Promise<string[]> {
  const config = { ...context.config, ...env };
  const lines: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line) => void lines.push(line) });
  const connect = () => connectRedis(config, 'background').on('error', () => undefined);
  const redis = connect();
  // Keys of another database would be refused.
  const keys = db === context.db ? context.keys : new Keys(`${config.REDIS_PREFIX}tried:`);
  const check = (NODE_ENV: Config['NODE_ENV']) =>
    checkServers({
      config: { ...config, NODE_ENV },
      ...(orderBatchMax === undefined ? {} : { orderBatchMax }),
      redis,
      connect,
      keys,
      commands: createCommands(redis, keys),
      db,
      log,
    });
  try {
    await check('development');
    const warnings = lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
    const problems = warnings.filter((warning) => warning !== 'could not check a server');
    // In production the same ones end the start.
    const refusal = await check('production').then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    expect(refusal instanceof ConfigError).toBe(problems.length > 0);
    for (const problem of problems) expect(refusal!.message).toContain(problem);
    return warnings;
  } finally {
    redis.disconnect();
  }
}

let ownServers = 0;
/** A Redis of the test's own, with these flags and these rights of its only user. */
async function ownRedis(flags: readonly string[], rights?: readonly string[]): Promise<Partial<Config>> {
  const server = await startRedis({
    dataDir: folder,
    name: `redis-${(ownServers += 1)}`,
    flags: [...flags],
  });
  onTestFinished(() => server.stop());
  const env = { REDIS_ADDR: `${server.host}:${server.port}`, REDIS_PASSWORD: '' };
  if (rights !== undefined) {
    const root = connectRedis({ ...context.config, ...env }, 'background');
    await root.call('ACL', 'SETUSER', 'default', 'reset', 'on', 'nopass', ...rights);
    root.disconnect();
  }
  return env;
}

describe('a Redis that refuses what the service needs is reported with the refusal', () => {
  test('a user without INFO', async () => {
    const env = await ownRedis([], ['~*', '&*', '+@all', '-@dangerous']);
    expect((await problemsOf(env)).join('\n')).toMatch(/in the ACL: INFO$/m);
  });

  test('a user without the keys, and one without the channels', async () => {
    const elsewhere = await ownRedis([], ['~other:*', '&*', '+@all']);
    expect((await problemsOf(elsewhere)).join('\n')).toMatch(/in the ACL: EVAL BZPOPMIN$/m);
    const silent = await ownRedis([], ['~*', 'resetchannels', '+@all']);
    expect((await problemsOf(silent)).join('\n')).toMatch(/in the ACL: PUBLISH SUBSCRIBE/);
  });

  test('a user without scripts, and one without blocking calls', async () => {
    const unscripted = await ownRedis([], ['~*', '&*', '+@all', '-@scripting']);
    expect((await problemsOf(unscripted)).join('\n')).toMatch(/in the ACL: .*\bEVAL\b/);
    const impatient = await ownRedis([], ['~*', '&*', '+@all', '-@blocking']);
    expect((await problemsOf(impatient)).join('\n')).toMatch(/in the ACL: .*\bBZPOPMIN\b/);
  });

  test('a command that is renamed', async () => {
    const env = await ownRedis(['--rename-command', 'ZREMRANGEBYRANK', 'HIDDEN']);
    expect((await problemsOf(env)).join('\n')).toMatch(/a command is renamed or missing: ZREMRANGEBYRANK$/m);
  });

  test('a wrong password, with which a process never becomes ready', async () => {
    const env = await ownRedis([], ['~*', '&*', '+@all', 'resetpass', '>right']);
    const wrong = { ...env, REDIS_PASSWORD: 'wrong' };
    expect((await problemsOf(wrong)).join('\n')).toMatch(/the user or the password is wrong/);
    expect((await problemsOf(env)).join('\n')).toMatch(/the user or the password is wrong/);
    expect(await problemsOf({ ...env, REDIS_PASSWORD: 'right' })).toEqual([]);

    const redis = connectRedis({ ...context.config, ...wrong }, 'request').on('error', () => undefined);
    onTestFinished(() => redis.disconnect());
    const servers = new ServerReadiness({ redis, db: context.db });
    expect(await servers.check()).toEqual({ redis: false, mysql: true, seen: false });
  });

  test('every command of our scripts and of BullMQ’s is tried', async () => {
    const tried = new Set(SCRIPT_CALLS.map(([command]) => command));
    const called = new Set<string>();
    const bullmq = join(dirname(createRequire(import.meta.url).resolve('bullmq')), 'scripts');
    const files = [...(await luaFiles()), ...(await readdir(bullmq)).map((name) => join(bullmq, name))];
    for (const file of files) {
      const source = await readFile(file, 'utf8').catch(() => '');
      for (const [, command] of source.matchAll(/(?:rcall|redis\.p?call)\(\s*['"]([A-Za-z]+)['"]/g))
        called.add(command!.toUpperCase());
    }
    expect(called.size).toBeGreaterThan(50);
    expect([...called].filter((command) => !tried.has(command))).toEqual([]);
  });

  test('and leaves nothing if nothing is refused', async () => {
    expect(await problemsOf({})).toEqual([]);
    expect(await context.redis.keys(`${context.config.REDIS_PREFIX}*check*`)).toEqual([]);
  });
});

describe('a MySQL that refuses what the service needs is reported with the setting or the right', () => {
  let env: Partial<Config>;
  let root: Db;
  beforeAll(async () => {
    const server = await startMysql({
      dataDir: folder,
      password: 'p',
      flags: ['--log-bin=binlog', '--server-id=1', '--binlog-format=ROW'],
    });
    env = {
      DB_HOST: server.host,
      DB_PORT: server.port,
      DB_USER: privateMysqlUser,
      DB_PASSWORD: 'p',
      DB_NAME: 'tried',
    };
    await migrate({ ...context.config, ...env });
    root = connectDb({ ...context.config, ...env }, 'schema');
    return async () => {
      await root.destroy();
      await server.stop();
    };
  });

  const run = async (...statements: string[]): Promise<void> => {
    for (const statement of statements) await sql.raw(statement).execute(root);
  };
  /** A user with these rights on the database, or on its tables. */
  async function openAs(...grants: string[]): Promise<{ db: Db; config: Config }> {
    await run(
      `CREATE USER limited@'127.0.0.1' IDENTIFIED BY 'p'`,
      ...grants.map((each) => `GRANT ${each} TO limited@'127.0.0.1'`),
    );
    onTestFinished(() => run(`DROP USER limited@'127.0.0.1'`));
    const config = { ...context.config, ...env, DB_USER: 'limited' };
    const db = connectDb(config, 'general');
    onTestFinished(() => db.destroy());
    return { db, config };
  }
  const ON_TABLES = TABLES.map((table) => `SELECT, INSERT, UPDATE, DELETE ON tried.${table}`);

  test('binlog_format STATEMENT', async () => {
    await run(`SET GLOBAL binlog_format = 'STATEMENT'`);
    onTestFinished(() => run(`SET GLOBAL binlog_format = 'ROW'`));
    const { db } = await openAs('SELECT, INSERT, UPDATE, DELETE ON tried.*');
    expect((await problemsOf({}, db)).join('\n')).toMatch(/binlog_format is STATEMENT: set it to ROW/);
  });

  test('max_allowed_packet too small for a batch of orders', async () => {
    await run('SET GLOBAL max_allowed_packet = 32768');
    onTestFinished(() => run('SET GLOBAL max_allowed_packet = 16777216'));
    const { db } = await openAs('SELECT, INSERT, UPDATE, DELETE ON tried.*');
    expect((await problemsOf({}, db)).join('\n')).toMatch(
      /max_allowed_packet is 32768: a batch of 500 orders needs \d{6}$/m,
    );
    expect(await problemsOf({}, db, 10)).toEqual([]);
  });

  test.each(['SELECT', 'INSERT', 'UPDATE', 'DELETE'])('a user that lacks %s on one table', async (right) => {
    const others = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'].filter((each) => each !== right).join(', ');
    const grants = ON_TABLES.filter((each) => !each.endsWith('.order_history'));
    const { db } = await openAs(...grants, `${others} ON tried.order_history`);
    const problems = (await problemsOf({}, db)).join('\n');
    expect(problems).toMatch(
      new RegExp(`a right on a table is missing: grant it \\(${right} command denied.*order_history`),
    );
  });

  test('a user that cannot see a table', async () => {
    const { db } = await openAs(...ON_TABLES.filter((each) => !each.endsWith('.payments')));
    expect((await problemsOf({}, db)).join('\n')).toMatch(/no right on the table payments/);
  });

  test('the list has all tables', async () => {
    const { rows } = await sql<{ name: string }>`
      SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()`.execute(root);
    const own = rows.map(({ name }) => name).filter((name) => !name.startsWith('kysely_'));
    expect(own.toSorted()).toEqual([...TABLES].toSorted());
  });

  test('a user with rights on the tables only can start, also while the server is read-only', async () => {
    const { db, config } = await openAs(
      ...ON_TABLES,
      'SELECT ON tried.kysely_migration',
      'SELECT ON tried.kysely_migration_lock',
    );
    expect(await migrate(config)).toEqual([]);
    expect(await problemsOf({}, db)).toEqual([]);

    await run('SET GLOBAL read_only = 1');
    onTestFinished(() => run('SET GLOBAL read_only = 0'));
    expect(await migrate(config)).toEqual([]);
    expect(await problemsOf({}, db)).toEqual([]);
    const servers = new ServerReadiness({ redis: context.redis, db });
    expect(await servers.check()).toEqual({ redis: true, mysql: 'read_only', seen: true });
    await run('SET GLOBAL read_only = 0');
    expect(await servers.check()).toEqual({ redis: true, mysql: true, seen: true });
  });

  test('a user with the rights for migrations creates the database and its tables', async () => {
    await run(`CREATE USER migrator@'127.0.0.1' IDENTIFIED BY 'p'`);
    onTestFinished(() => run(`DROP USER migrator@'127.0.0.1'`, 'DROP DATABASE fresh'));
    await run(`GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON fresh.* TO migrator@'127.0.0.1'`);
    const config = { ...context.config, ...env, DB_USER: 'migrator', DB_NAME: 'fresh' };
    expect(await migrate(config)).toContain('0001_sales_and_orders');
    expect(await migrate(config)).toEqual([]);
  });

  test('nothing is left of what was tried', async () => {
    const { db } = await openAs('SELECT, INSERT, UPDATE, DELETE ON tried.*');
    expect(await problemsOf({}, db)).toEqual([]);
    for (const table of ['products', 'orders', 'stock_returns', 'order_history', 'payments', 'order_events'] as const)
      expect(
        await root
          .selectFrom(table)
          .select(sql`1`.as('one'))
          .execute(),
      ).toEqual([]);
  });
});
