import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, inject } from 'vitest';
import type { TestServers } from '../../../infra/src/test-context.ts';
import { loadConfig, type Config } from '../src/platform/config/config.ts';
import { connectDb, type Db } from '../src/platform/mysql/client.ts';
import { migrate } from '../src/platform/mysql/migrate.ts';
import { insertSale, type NewSale } from '../src/sale/products-table.ts';
import type { SaleWithTexts } from '../src/sale/sale.ts';
import { SaleTransactions } from '../src/order-moves/sale-transactions.ts';
import { connectRedis, type RedisClient } from '../src/platform/redis/client.ts';
import { createCommands, type Commands } from '../src/commands.ts';
import { perShard } from '../src/platform/redis/per-shard.ts';
import { Keys } from '../src/platform/redis/keys.ts';
import { claimShard, ledgerName } from '../src/reconciliation/claim-shard.ts';
import { rebuildSale } from '../src/reconciliation/rebuild.ts';
import { createMetrics, type Metrics } from '../src/platform/telemetry/metrics.ts';
import type { Logger } from '../src/platform/telemetry/logger.ts';
import { copySchema } from './schema.ts';

/** The context of a test file: real servers, and its own database and key prefix. */
export interface TestContext {
  /** The environment of a process that uses the same database and keys. */
  readonly env: Readonly<Record<string, string>>;
  readonly config: Config;
  readonly db: Db;
  readonly redis: RedisClient;
  readonly keys: Keys;
  readonly commands: Commands;
  readonly saleTransactions: SaleTransactions;
  readonly log: Logger;
  readonly metrics: Metrics;
  /**
   * A sale that is in MySQL and loaded into Redis: open for an hour, 10 units, unless said
   * otherwise.
   */
  openSale(fields?: Partial<NewSale>): Promise<SaleWithTexts>;
  /** A sale that is in MySQL only. */
  insertSale(fields?: Partial<NewSale>): Promise<SaleWithTexts>;
  /** Closes the connections, drops the database and deletes the keys. */
  close(): Promise<void>;
}

/**
 * The context of a test file. Await it at the top of the file: it is closed after the last test.
 * `env` is added to the configuration.
 */
export async function testContext(env: Readonly<Record<string, string>> = {}): Promise<TestContext> {
  const context = await openTestContext(env);
  afterAll(() => context.close());
  return context;
}

/**
 * Opens a context on the servers of the test run, for a test that closes it itself. `env` is added
 * to the configuration.
 */
export async function openTestContext(env: Readonly<Record<string, string>> = {}): Promise<TestContext> {
  const name = `t${randomUUID().replaceAll('-', '').slice(0, 12)}`;
  const servers: TestServers = inject('servers');
  const all = { LOG_LEVEL: 'silent', ...servers, DB_NAME: name, REDIS_PREFIX: `${name}:`, ...env };
  const config = loadConfig(all);
  // A context with a server of its own also tests the migrations on it.
  await ('DB_HOST' in env ? migrate(config) : copySchema(config, inject('schema')));
  const db = connectDb(config, 'general');
  const redis = connectRedis(config, 'background');
  const keys = new Keys(config.REDIS_PREFIX);
  const commands = createCommands(redis, keys);
  const log = pino({ level: config.LOG_LEVEL });

  /** Each process claims a shard's keys, or a Redis would look like one that has lost them. */
  const claims = perShard(async (shard) => claimShard({ redis, keys }, shard, await ledgerName(db)));

  const insert = (fields: Partial<NewSale> = {}): Promise<SaleWithTexts> => {
    const nowMs = Date.now();
    const sale = { shard: 0, name: 'test sale', priceCents: 1_999, stock: 1_000_000, seckillStock: 10 };
    return insertSale(db, { ...sale, startMs: nowMs - 60_000, endMs: nowMs + 3_600_000, ...fields });
  };

  return {
    env: all,
    config,
    db,
    redis,
    keys,
    commands,
    saleTransactions: new SaleTransactions({ db, commands, log, orderEvents: config.EVENTS_URL !== undefined }),
    log,
    metrics: createMetrics('worker'),
    insertSale: insert,
    async openSale(fields) {
      const sale = await insert(fields);
      await claims.of(sale.shard);
      const rebuilt = await rebuildSale({ commands, db }, sale, 5_000);
      if (rebuilt === undefined) throw new Error('the lease of a new sale is held elsewhere');
      return sale;
    },
    async close() {
      await sql`DROP DATABASE ${sql.id(config.DB_NAME)}`.execute(db);
      await db.destroy();
      await deleteKeys(redis, config.REDIS_PREFIX);
      redis.disconnect();
    },
  };
}

async function deleteKeys(redis: RedisClient, prefix: string): Promise<void> {
  if (!(redis instanceof Redis)) return;
  let cursor = '0';
  do {
    const [next, found] = await redis.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', 1_000);
    if (found.length > 0) await redis.unlink(...found);
    cursor = next;
  } while (cursor !== '0');
}
