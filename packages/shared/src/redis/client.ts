import { Cluster, Redis, type CommonRedisOptions, type RedisOptions } from 'ioredis';
import type { Config } from '../config/config.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** A connection to Redis: one server, or a cluster under the same calls. */
export type RedisClient = Redis | Cluster;

type RedisConfig = Pick<Config, 'REDIS_ADDR' | 'REDIS_PASSWORD' | 'REDIS_CLUSTER' | 'REDIS_TIMEOUT_MS'>;

/** Reconnects within seconds however long Redis was away. */
const retryStrategy = (attempt: number): number => Math.min(50 * attempt, 1_000);

/**
 * How soon a Redis that was loading its data is asked again. By default ioredis believes the time that Redis says is left, up to 10 s: at the
 * start of loading that is a wild guess, and a Redis that was ready after half a second went unused for ten.
 */
const LOADING_RETRY_MS = 100;

/**
 * What a connection is for:
 * - `request`: calls of somebody who waits. They fail within `REDIS_TIMEOUT_MS` and are never queued while Redis is
 *   away. A call whose reply was lost is sent again on reconnect, so every script is safe to run twice.
 * - `producer`: the same for BullMQ queues, which must not be pipelined together.
 * - `background`: calls of the worker's own loops, which try again by themselves.
 * - `blocking`: BullMQ workers and subscribers, which wait for as long as it takes.
 */
export type ConnectionUse = 'request' | 'producer' | 'background' | 'blocking';

const OPTIONS: Readonly<Record<ConnectionUse, (timeout_ms: number) => CommonRedisOptions & RedisOptions>> = {
  request: (timeout_ms) => ({
    enableAutoPipelining: true,
    enableOfflineQueue: false,
    // Only one pipeline is under way at a time, so a call may first wait for the one before it: each has half of the time.
    commandTimeout: timeout_ms / 2,
    maxRetriesPerRequest: 1,
  }),
  producer: (timeout_ms) => ({ enableOfflineQueue: false, commandTimeout: timeout_ms, maxRetriesPerRequest: 1 }),
  background: () => ({ commandTimeout: 5_000, maxRetriesPerRequest: 3 }),
  blocking: () => ({ maxRetriesPerRequest: null }),
};

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
  const options: RedisOptions = {
    ...OPTIONS[use](config.REDIS_TIMEOUT_MS),
    ...(config.REDIS_PASSWORD === '' ? {} : { password: config.REDIS_PASSWORD }),
    connectTimeout: 2_000,
    keepAlive: 10_000,
    maxLoadingRetryTime: LOADING_RETRY_MS,
    retryStrategy,
  };
  const nodes = config.REDIS_ADDR.split(',').map((address) => {
    const [host, port] = address.split(':');
    return { host: host!, port: Number(port) };
  });
  if (!config.REDIS_CLUSTER) return new Redis({ ...options, ...nodes[0] });
  const { enableOfflineQueue, enableAutoPipelining, ...redisOptions } = options;
  return new Cluster(nodes, {
    redisOptions,
    clusterRetryStrategy: retryStrategy,
    ...(enableOfflineQueue === undefined ? {} : { enableOfflineQueue }),
    ...(enableAutoPipelining === undefined ? {} : { enableAutoPipelining }),
  });
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
