import { Cluster } from 'ioredis';
import type { RedisClient } from './client.ts';

/** What a Redis server says of itself. */
export interface RedisServerInfo {
  readonly version: string;
  readonly maxmemory_policy: string;
  readonly aof_enabled: boolean;
  /** Empty where the server does not tell, as managed ones may not. */
  readonly appendfsync: string;
  readonly used_memory_bytes: number;
  /** 0: no limit. */
  readonly maxmemory_bytes: number;
}

/**
 * Asks every server that holds keys: the one, or each master of a cluster. Of a cluster those are told that answer.
 *
 * @throws the first one's error where none does
 */
export async function readServerInfo(redis: RedisClient): Promise<RedisServerInfo[]> {
  const servers = redis instanceof Cluster ? redis.nodes('master') : [redis];
  const asked = await Promise.allSettled(
    servers.map(async (server) => {
      const [info, setting] = await Promise.all([server.info(), server.config('GET', 'appendfsync').catch(() => [])]);
      return serverInfoOf(info, (setting as string[])[1] ?? '');
    }),
  );
  const told = asked.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const failed = asked.find((outcome) => outcome.status === 'rejected');
  if (told.length === 0 && failed !== undefined) throw failed.reason;
  return told;
}

function serverInfoOf(info: string, appendfsync: string): RedisServerInfo {
  const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  return {
    version: field('redis_version'),
    maxmemory_policy: field('maxmemory_policy'),
    aof_enabled: field('aof_enabled') === '1',
    appendfsync,
    used_memory_bytes: Number(field('used_memory')),
    maxmemory_bytes: Number(field('maxmemory')),
  };
}
