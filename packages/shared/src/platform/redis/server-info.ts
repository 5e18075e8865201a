import { Cluster } from 'ioredis';
import type { RedisClient } from './client.ts';

/** The facts that a Redis server reports about itself. */
export interface RedisServerInfo {
  readonly version: string;
  readonly maxmemoryPolicy: string;
  readonly aofEnabled: boolean;
  /** Empty if the server does not report it, as some managed servers. */
  readonly appendfsync: string;
  /** Hashes of up to so many fields are lists. 0 if the server does not report it. */
  readonly hashListEntriesMax: number;
  /** Idle connections are closed after so long. 0: never, or not reported. */
  readonly timeoutSeconds: number;
  readonly usedMemoryBytes: number;
  /** 0: no limit. */
  readonly maxmemoryBytes: number;
}

/**
 * Asks every server that holds keys: the single one, or each master of a cluster. Masters that do
 * not answer are left out.
 *
 * @throws the first one's error if none answers
 */
export async function readServerInfo(redis: RedisClient): Promise<RedisServerInfo[]> {
  const servers = redis instanceof Cluster ? redis.nodes('master') : [redis];
  const asked = await Promise.allSettled(
    servers.map(async (server) => {
      const [info, settings] = await Promise.all([
        server.info(),
        server.config('GET', 'appendfsync', 'hash-max-listpack-entries', 'timeout').catch(() => []),
      ]);
      return serverInfoOf(info, settings as string[]);
    }),
  );
  const answered = asked.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const failed = asked.find((outcome) => outcome.status === 'rejected');
  if (answered.length === 0 && failed !== undefined) throw failed.reason;
  return answered;
}

/** @param settings names and values in turn; empty if the server does not report them */
function serverInfoOf(info: string, settings: readonly string[]): RedisServerInfo {
  const setting = (name: string): string => (settings.includes(name) ? settings[settings.indexOf(name) + 1]! : '');
  const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  return {
    version: field('redis_version'),
    maxmemoryPolicy: field('maxmemory_policy'),
    aofEnabled: field('aof_enabled') === '1',
    appendfsync: setting('appendfsync'),
    hashListEntriesMax: Number(setting('hash-max-listpack-entries')),
    timeoutSeconds: Number(setting('timeout')),
    usedMemoryBytes: Number(field('used_memory')),
    maxmemoryBytes: Number(field('maxmemory')),
  };
}
