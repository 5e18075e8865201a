import { Cluster, Redis, type CommonRedisOptions, type RedisOptions } from 'ioredis';
import type { Config } from '../config/config.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { endpointOf } from '../config/formats.ts';
import { redisTls } from '../config/tls.ts';

/** A connection to Redis: one server, or a cluster under the same calls. */
export type RedisClient = Redis | Cluster;

type RedisConfig = Pick<
  Config,
  | 'REDIS_ADDR'
  | 'REDIS_USERNAME'
  | 'REDIS_PASSWORD'
  | 'REDIS_DB'
  | 'REDIS_CLUSTER'
  | 'REDIS_SENTINELS'
  | 'REDIS_SENTINEL_MASTER'
  | 'REDIS_SENTINEL_USERNAME'
  | 'REDIS_SENTINEL_PASSWORD'
  | 'REDIS_TIMEOUT_MS'
> &
  Parameters<typeof redisTls>[0];

/** Reconnects within seconds however long Redis was away. */
const retryStrategy = (attempt: number): number => Math.min(50 * attempt, 1_000);

/**
 * How soon a Redis that was loading its data is asked again. By default ioredis believes the time that Redis says is left, up to 10 s: at the
 * start of loading that is a wild guess, and a Redis that was ready after half a second went unused for ten.
 */
const LOADING_RETRY_MS = 100;

/** Tries of a waited-for call in a cluster that is changing, 100 ms apart. */
const REDIRECTIONS_MAX = 4;

const SENTINEL_TIMEOUT_MS = 1_000;
/** A connection on which a call is unanswered for so long, and nothing else comes, is given up. */
const SILENCE_MS_MAX = 5_000;

/**
 * What a connection is for:
 * - `request`: calls of somebody who waits. They fail within `REDIS_TIMEOUT_MS` and are never queued while Redis is
 *   away. A call whose reply was lost is sent again on reconnect, so every script is safe to run twice.
 * - `producer`: the same for BullMQ queues, which must not be pipelined together.
 * - `background`: calls of the worker's own loops, which try again by themselves.
 * - `blocking`: BullMQ workers and subscribers, which wait for as long as it takes.
 *
 * A server that leaves a call unanswered for `socketTimeout` is left and looked for again: one whose machine is lost ends no connection, and by
 * then its name, or the Sentinels, may lead to another.
 */
export type ConnectionUse = 'request' | 'producer' | 'background' | 'blocking';

const OPTIONS: Readonly<Record<ConnectionUse, (timeout_ms: number) => CommonRedisOptions & RedisOptions>> = {
  request: (timeout_ms) => ({
    enableAutoPipelining: true,
    // A micro-batch already is many in one; a pipeline would only keep it until the one before has returned.
    autoPipeliningIgnoredCommands: ['admit'],
    enableOfflineQueue: false,
    // Only one pipeline is under way at a time, so a call may first wait for the one before it: each has half of the time.
    commandTimeout: timeout_ms / 2,
    maxRetriesPerRequest: 1,
    socketTimeout: Math.max(SILENCE_MS_MAX, timeout_ms),
  }),
  producer: (timeout_ms) => ({
    enableOfflineQueue: false,
    commandTimeout: timeout_ms,
    maxRetriesPerRequest: 1,
    socketTimeout: Math.max(SILENCE_MS_MAX, timeout_ms),
  }),
  background: () => ({ commandTimeout: 5_000, maxRetriesPerRequest: 3, socketTimeout: SILENCE_MS_MAX }),
  // Longer than BullMQ blocks for a job, which is 10 s at the most.
  blocking: () => ({ maxRetriesPerRequest: null, socketTimeout: 15_000 }),
};

/** Whether Redis answers; a cluster does where one of its masters does, since each goes on alone. */
export async function pingRedis(redis: RedisClient): Promise<void> {
  await Promise.any((redis instanceof Cluster ? redis.nodes('master') : [redis]).map((server) => server.ping()));
}

/** Opens a connection. It reconnects by itself; `error` events are the caller's to log. */
export function connectRedis(
  config: RedisConfig,
  use: ConnectionUse,
  metrics?: Pick<Metrics, 'redis_connections'>,
): RedisClient {
  const client = open(config, use);
  if (metrics !== undefined) watch(client, use, metrics);
  return client;
}

function open(config: RedisConfig, use: ConnectionUse): RedisClient {
  const tls = redisTls(config);
  const options: RedisOptions = {
    // Without the switch ioredis would speak plain text to the master that a Sentinel names.
    ...(tls === undefined ? {} : { tls, sentinelTLS: tls, enableTLSForSentinelMode: true }),
    ...OPTIONS[use](config.REDIS_TIMEOUT_MS),
    ...(config.REDIS_USERNAME === '' ? {} : { username: config.REDIS_USERNAME }),
    ...(config.REDIS_PASSWORD === '' ? {} : { password: config.REDIS_PASSWORD }),
    db: config.REDIS_DB,
    connectTimeout: 2_000,
    keepAlive: 10_000,
    maxLoadingRetryTime: LOADING_RETRY_MS,
    retryStrategy,
  };
  if (config.REDIS_SENTINELS !== undefined) return new Redis({ ...options, ...underSentinels(config) });
  const nodes = addressesOf(config.REDIS_ADDR);
  if (!config.REDIS_CLUSTER) return new Redis({ ...options, reconnectOnError: isDemoted, ...nodes[0] });
  // No automatic pipelines: ioredis 6.0.0 takes the number of keys for a script's first key, and so puts calls to different masters into one.
  const { enableOfflineQueue, enableAutoPipelining: _, ...redisOptions } = options;
  return new Cluster(nodes, {
    redisOptions,
    clusterRetryStrategy: retryStrategy,
    // Else a call to a dead master's slots is tried for much longer than somebody waits who was promised an answer.
    ...(use === 'request' || use === 'producer' ? { maxRedirections: REDIRECTIONS_MAX } : {}),
    ...(enableOfflineQueue === undefined ? {} : { enableOfflineQueue }),
  });
}

/** The master of a name, wherever the Sentinels say that it is now. */
function underSentinels(config: RedisConfig): RedisOptions {
  return {
    sentinels: addressesOf(config.REDIS_SENTINELS!),
    name: config.REDIS_SENTINEL_MASTER,
    ...(config.REDIS_SENTINEL_USERNAME === '' ? {} : { sentinelUsername: config.REDIS_SENTINEL_USERNAME }),
    ...(config.REDIS_SENTINEL_PASSWORD === '' ? {} : { sentinelPassword: config.REDIS_SENTINEL_PASSWORD }),
    sentinelRetryStrategy: retryStrategy,
    sentinelCommandTimeout: SENTINEL_TIMEOUT_MS,
    reconnectOnError: isDemoted,
    // Not `failoverDetector`: in ioredis 6.0.0 its message, where it comes while a connection is made, ends the client for good.
    // `socketTimeout` finds a master that hangs, too.
  };
}

/** The connection leads to a server that is a replica now: the name, or the Sentinels, know a new master. */
function isDemoted(error: Error): boolean {
  return error.message.startsWith('READONLY');
}

function addressesOf(addresses: string): { host: string; port: number }[] {
  return addresses.split(',').map((address) => endpointOf(address)!);
}

function watch(client: RedisClient, use: ConnectionUse, metrics: Pick<Metrics, 'redis_connections'>): void {
  let works = false;
  const tell = (now: boolean): void => {
    if (now !== works) metrics.redis_connections.inc({ use }, now ? 1 : -1);
    works = now;
  };
  metrics.redis_connections.inc({ use }, 0);
  client.on('ready', () => tell(true)).on('close', () => tell(false));
}
