import { Cluster } from 'ioredis';
import type { RedisClient } from './client.ts';

/** What a Redis server says of itself. */
export interface RedisServerInfo {
  /** `host:port`. */
  readonly address: string;
  readonly version: string;
  readonly maxmemory_policy: string;
  readonly aof_enabled: boolean;
  /** Empty where the server does not tell, as managed ones may not. */
  readonly appendfsync: string;
  readonly used_memory_bytes: number;
  /** 0: no limit. */
  readonly maxmemory_bytes: number;
}

/** Asks every server that holds keys: the one, or each master of a cluster. */
export async function readServerInfo(redis: RedisClient): Promise<RedisServerInfo[]> {
  const servers = redis instanceof Cluster ? redis.nodes('master') : [redis];
  return Promise.all(
    servers.map(async (server) => {
      const [info, setting] = await Promise.all([server.info(), server.config('GET', 'appendfsync').catch(() => [])]);
      const { host, port } = server.options;
      return serverInfoOf(`${host}:${port}`, info, (setting as string[])[1] ?? '');
    }),
  );
}

function serverInfoOf(address: string, info: string, appendfsync: string): RedisServerInfo {
  const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  return {
    address,
    version: field('redis_version'),
    maxmemory_policy: field('maxmemory_policy'),
    aof_enabled: field('aof_enabled') === '1',
    appendfsync,
    used_memory_bytes: Number(field('used_memory')),
    maxmemory_bytes: Number(field('maxmemory')),
  };
}
