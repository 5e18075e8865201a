import { Cluster, Redis, type CommonRedisOptions, type RedisOptions } from 'ioredis';
import type { Config } from '../config/config.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { endpointOf } from '../config/formats.ts';
import { redisTls } from '../config/tls.ts';

/** A connection to Redis: to one server or to a cluster, with the same calls. */
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

/** Reconnects within seconds, however long Redis was down. */
const retryStrategy = (attempt: number): number => Math.min(50 * attempt, 1_000);

/**
 * How soon a Redis that loads its data is asked again. By default ioredis waits as long as Redis
 * estimates, up to 10 s. At the start of loading this estimate is poor: a Redis that was ready
 * after 0.5 s was not used for 10 s.
 */
const LOADING_RETRY_MS = 100;

/** Attempts of a request's call in a cluster that is changing, 100 ms apart. */
const REDIRECTIONS_MAX = 4;

const SENTINEL_TIMEOUT_MS = 1_000;
/** A connection is closed if a call is unanswered for this long and nothing else arrives. */
const SILENCE_MS_MAX = 5_000;

/**
 * The purpose of a connection:
 * - `request`: calls of requests. They fail within `REDIS_TIMEOUT_MS` and are never queued while
 *   Redis is not reachable. A call whose reply was lost is sent again on reconnect, so every script
 *   is safe to run twice.
 * - `producer`: the same for BullMQ queues, whose calls must not be pipelined together.
 * - `background`: calls of the worker's services, which retry by themselves.
 * - `blocking`: BullMQ workers and subscribers, which may wait without limit.
 *
 * If a server leaves a call unanswered for `socketTimeout`, the connection is closed and made
 * again: a lost machine closes no connection, and by then the name, or the Sentinels, may lead to
 * another.
 */
export type ConnectionUse = 'request' | 'producer' | 'background' | 'blocking';

const OPTIONS: Readonly<Record<ConnectionUse, (timeoutMs: number) => CommonRedisOptions & RedisOptions>> = {
  request: (timeoutMs) => ({
    enableAutoPipelining: true,
    // A micro-batch already combines many requests. A pipeline would only delay it until the
    // previous one has returned.
    autoPipeliningIgnoredCommands: ['admit', 'issue_tokens', 'join_room', 'read_orders'],
    enableOfflineQueue: false,
    // Only one pipeline is in progress at a time, so a call may have to wait for the one before it.
    // Each gets half of the time.
    commandTimeout: timeoutMs / 2,
    maxRetriesPerRequest: 1,
    socketTimeout: Math.max(SILENCE_MS_MAX, timeoutMs),
  }),
  producer: (timeoutMs) => ({
    enableOfflineQueue: false,
    commandTimeout: timeoutMs,
    maxRetriesPerRequest: 1,
    socketTimeout: Math.max(SILENCE_MS_MAX, timeoutMs),
  }),
  background: () => ({ commandTimeout: 5_000, maxRetriesPerRequest: 3, socketTimeout: SILENCE_MS_MAX }),
  // Longer than BullMQ blocks for a job, which is at most 10 s.
  blocking: () => ({ maxRetriesPerRequest: null, socketTimeout: 15_000 }),
};

/** Whether Redis answers. A cluster answers if one of its masters does, since each works alone. */
export async function pingRedis(redis: RedisClient): Promise<void> {
  await Promise.any((redis instanceof Cluster ? redis.nodes('master') : [redis]).map((server) => server.ping()));
}

/** Opens a connection. It reconnects by itself. The caller logs `error` events. */
export function connectRedis(
  config: RedisConfig,
  use: ConnectionUse,
  metrics?: Pick<Metrics, 'redisConnections'>,
): RedisClient {
  const client = open(config, use);
  if (metrics !== undefined) watch(client, use, metrics);
  return client;
}

function open(config: RedisConfig, use: ConnectionUse): RedisClient {
  const tls = redisTls(config);
  const options: RedisOptions = {
    // Without this option ioredis would use plain text for the master that a Sentinel names.
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
  // No automatic pipelines: ioredis 6.0.0 uses the number of keys as a script's first key, and so
  // puts calls for different masters into one pipeline.
  const { enableOfflineQueue, enableAutoPipelining: _, ...redisOptions } = options;
  return new Cluster(nodes, {
    redisOptions,
    clusterRetryStrategy: retryStrategy,
    // Without this, a call for a dead master's slots is retried for much longer than the promised
    // answer time.
    ...(use === 'request' || use === 'producer' ? { maxRedirections: REDIRECTIONS_MAX } : {}),
    ...(enableOfflineQueue === undefined ? {} : { enableOfflineQueue }),
  });
}

/** The master with this name, at the address that the Sentinels give. */
function underSentinels(config: RedisConfig): RedisOptions {
  return {
    sentinels: addressesOf(config.REDIS_SENTINELS!),
    name: config.REDIS_SENTINEL_MASTER,
    ...(config.REDIS_SENTINEL_USERNAME === '' ? {} : { sentinelUsername: config.REDIS_SENTINEL_USERNAME }),
    ...(config.REDIS_SENTINEL_PASSWORD === '' ? {} : { sentinelPassword: config.REDIS_SENTINEL_PASSWORD }),
    sentinelRetryStrategy: retryStrategy,
    sentinelCommandTimeout: SENTINEL_TIMEOUT_MS,
    reconnectOnError: isDemoted,
    // Not `failoverDetector`: in ioredis 6.0.0 its message ends the client permanently if it
    // arrives while a connection is made. `socketTimeout` detects a hanging master too.
  };
}

/**
 * The server of this connection is a replica now. The name, or the Sentinels, lead to a new master.
 */
function isDemoted(error: Error): boolean {
  return error.message.startsWith('READONLY');
}

function addressesOf(addresses: string): { host: string; port: number }[] {
  return addresses.split(',').map((address) => endpointOf(address)!);
}

function watch(client: RedisClient, use: ConnectionUse, metrics: Pick<Metrics, 'redisConnections'>): void {
  let works = false;
  const show = (now: boolean): void => {
    if (now !== works) metrics.redisConnections.inc({ use }, now ? 1 : -1);
    works = now;
  };
  metrics.redisConnections.inc({ use }, 0);
  client.on('ready', () => show(true)).on('close', () => show(false));
}
