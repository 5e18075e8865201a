import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { ConfigError, type Config } from '../platform/config/config.ts';
import type { Db } from '../platform/mysql/client.ts';
import { dbFault, isReadOnly } from '../platform/mysql/errors.ts';
import type { RedisClient } from '../platform/redis/client.ts';
import type { ClockCommand } from '../platform/redis/clock-command.ts';
import { isPassingFault, redisFault } from '../platform/redis/errors.ts';
import type { Keys } from '../platform/redis/keys.ts';
import { readServerInfo } from '../platform/redis/server-info.ts';
import type { Logger } from '../platform/telemetry/logger.ts';
import { claimShard, ledgerName } from '../reconciliation/claim-shard.ts';
import { isServedElsewhere, isServedWithOtherKeys, keySpaceOf } from '../sale/redis-histories-table.ts';
import { clockOffset } from '../platform/process/clock-offsets.ts';
import { tryMysql } from './mysql-check.ts';
import { tryRedis } from './redis-check.ts';

const REDIS_VERSION_MIN = [7, 0];
const MYSQL_VERSION_MIN = [8, 0];
const MARIADB_VERSION_MIN = [10, 11];
const CLOCK_OFFSET_MS_MAX = 500;
/**
 * How often a process asks whether it may use its Redis, and after how many times it says so again.
 */
const WRONG_REDIS_PAUSE_MS = 500;
const REMINDER_TRIES = 20;
const FSYNC = 'Redis appendfsync';
const HASH_LISTS = 'Redis hash-max-listpack-entries';
const IDLE_TIMEOUT = 'Redis timeout';
/** Longer lists cost Redis CPU time, since it searches them from the start. */
const HASH_LIST_ENTRIES_MAX = 64;

export interface ServerCheckDeps {
  readonly config: Pick<Config, 'NODE_ENV' | 'SHARDS' | 'REDIS_DB' | 'REDIS_PREFIX'>;
  /** Orders in one transaction. Tests make it small. */
  readonly orderBatchMax?: number;
  readonly redis: RedisClient;
  /** Opens a connection to Redis for the check alone. */
  readonly connect: () => RedisClient;
  readonly keys: Keys;
  readonly commands: ClockCommand;
  readonly db: Db;
  readonly log: Logger;
}

/**
 * Checks that the servers are configured to keep accepted orders, and tries what the service does
 * on them. Each wrong setting and each missing right is logged as a warning; in production it is an
 * error. A server that does not answer, or takes no writes now, only causes a warning.
 *
 * @throws ConfigError in production, with every problem; anywhere if Redis belongs to another
 * ledger
 */
export async function checkServers(deps: ServerCheckDeps): Promise<void> {
  const { config, redis, commands, db, log } = deps;
  const checks = await Promise.allSettled([
    tryOnRedis(deps),
    tryMysql(db, deps.orderBatchMax),
    checkRedis(redis),
    checkMysql(db),
    checkClock(commands),
    claimRedis(deps),
  ]);
  const problems: string[] = [];
  for (const check of checks) {
    if (check.status === 'fulfilled') {
      problems.push(...check.value);
      continue;
    }
    if (check.reason instanceof ConfigError) throw check.reason;
    const fault = redisFault(check.reason) ?? dbFault(check.reason);
    // Skip it: the attempts on the server have reported the same problem in more detail.
    if (fault !== undefined && problems.some((problem) => problem.startsWith(fault))) continue;
    if (fault !== undefined && !isReadOnly(check.reason)) {
      problems.push(`${fault} (${(check.reason as Error).message})`);
    } else log.warn({ err: check.reason as unknown }, 'could not check a server');
  }
  const distinct = [...new Set(problems)];
  // With one sync per second only a power cut loses accepted orders, longer lists only cost time,
  // and a call that meets a closed connection can be repeated. These are only warnings: the
  // operator decides.
  const isAdvice = (problem: string): boolean =>
    [FSYNC, HASH_LISTS, IDLE_TIMEOUT].some((advice) => problem.startsWith(advice));
  const refused = distinct.filter((problem) => !isAdvice(problem) && !isPassingFault(problem));
  if (config.NODE_ENV === 'production' && refused.length > 0) throw new ConfigError(refused);
  for (const problem of distinct) log.warn(problem);
}

async function tryOnRedis({ connect, keys, config }: ServerCheckDeps): Promise<string[]> {
  const redis = connect();
  let refusal: string | undefined;
  // A call may fail with "no connection" only, which would hide a wrong password.
  redis.on('error', (error: unknown) => (refusal ??= redisFault(error)));
  try {
    return await tryRedis(redis, keys, config.SHARDS);
  } catch (error) {
    if (refusal === undefined) throw error;
    return [refusal];
  } finally {
    redis.disconnect();
  }
}

async function checkRedis(redis: RedisClient): Promise<string[]> {
  const problems: string[] = [];
  for (const server of await readServerInfo(redis)) {
    if (isOlder(server.version, REDIS_VERSION_MIN)) problems.push(`Redis ${server.version}: 7.0 or newer is needed`);
    if (server.maxmemoryPolicy !== 'noeviction') {
      problems.push(`Redis maxmemory-policy is ${server.maxmemoryPolicy}: only noeviction keeps every held unit`);
    }
    if (!server.aofEnabled) problems.push('Redis appendonly is no: accepted orders would not survive its restart');
    else if (server.appendfsync !== 'always' && server.appendfsync !== '') {
      problems.push(`${FSYNC} is ${server.appendfsync}: with always an accepted order survives a power cut`);
    }
    if (server.timeoutSeconds > 0) {
      problems.push(`${IDLE_TIMEOUT} is ${server.timeoutSeconds}: with 0 no call finds its idle connection closed`);
    }
    if (server.hashListEntriesMax > HASH_LIST_ENTRIES_MAX) {
      problems.push(
        `${HASH_LISTS} is ${server.hashListEntriesMax}: with ${HASH_LIST_ENTRIES_MAX} buys cost Redis less CPU time`,
      );
    }
  }
  return problems;
}

async function checkMysql(db: Db): Promise<string[]> {
  const { rows } = await sql<{ version: string; flush: number }>`
    SELECT VERSION() AS version, @@innodb_flush_log_at_trx_commit AS flush`.execute(db);
  const { version, flush } = rows[0]!;
  const problems: string[] = [];
  const oldest = /mariadb/i.test(version) ? MARIADB_VERSION_MIN : MYSQL_VERSION_MIN;
  if (isOlder(version, oldest)) problems.push(`MySQL ${version}: ${oldest.join('.')} or newer is needed`);
  if (flush !== 1) {
    problems.push(`MySQL innodb_flush_log_at_trx_commit is ${flush}: with 1 a committed order survives a power cut`);
  }
  return problems;
}

async function checkClock(commands: ClockCommand): Promise<string[]> {
  const offsetMs = await clockOffset(async () => (await commands.clock(0)).nowMs);
  if (Math.abs(offsetMs) <= CLOCK_OFFSET_MS_MAX) return [];
  return [`The clock differs from Redis's by ${offsetMs} ms: keep both in step by NTP; sales open by Redis's`];
}

async function claimRedis(deps: ServerCheckDeps): Promise<string[]> {
  const ledger = await ledgerName(deps.db);
  for (let shard = 0; shard < deps.config.SHARDS; shard += 1) {
    await untilNotServedElsewhere(deps, shard);
    await claimShard(deps, shard, ledger);
  }
  return [];
}

/**
 * Waits while other workers serve the sales in another place, from which this process would take
 * them away: on another Redis, if this one has nothing of this database, or on this one with
 * another prefix or database number. A promoted replica has the keys, and a server that is lost is
 * served by nobody.
 */
async function untilNotServedElsewhere(
  { config, redis, keys, commands, db, log }: ServerCheckDeps,
  shard: number,
): Promise<void> {
  const findOthers = async (): Promise<string | undefined> => {
    const { historyId } = await commands.clock(shard);
    if (await isServedWithOtherKeys(db, historyId, keySpaceOf(config)))
      return 'on this Redis with another REDIS_PREFIX or database number. Correct it';
    const isClaimed = (await redis.exists(keys.ledger(shard))) === 1;
    if (isClaimed || !(await isServedElsewhere(db, shard, historyId))) return undefined;
    return 'on another Redis. Correct REDIS_ADDR';
  };
  for (let tries = 0; ; tries += 1) {
    const others = await findOthers();
    if (others === undefined) return;
    if (tries % REMINDER_TRIES === 0)
      log.warn({ shard }, `waiting: other workers serve the sales ${others}, or end them`);
    await delay(WRONG_REDIS_PAUSE_MS);
  }
}

function isOlder(version: string, oldest: readonly number[]): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < oldest[0]! || (major === oldest[0] && minor < oldest[1]!);
}
