import { Redis } from 'ioredis';
import type { FinalReading, RedisSample } from './checker/record.ts';
import { untilInStep } from './replication.ts';

const SCAN_COUNT = 2_000;

/**
 * The names of a sale's keys, written again from `docs/redis-keys.md`: the checker shares no code
 * with the service.
 */
const keysOf = (sale: number) => {
  const at = (part: string): string => `v4:sale:{0}:${sale}:${part}`;
  return { state: at('state'), owners: at('owners'), batches: at('batches'), batchTimes: at('batch_times') };
};

/** Reads Redis directly, not through the proxy. Rejects while Redis is down. */
export class RedisReader {
  readonly #redis: Redis;

  constructor(port: number, password: string) {
    this.#redis = new Redis({
      host: '127.0.0.1',
      port,
      password,
      commandTimeout: 1_000,
      connectTimeout: 1_000,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: true,
      retryStrategy: () => 100,
      maxLoadingRetryTime: 50,
    });
    // This run stops Redis on purpose. The reads report it.
    this.#redis.on('error', () => undefined);
  }

  /** The state of a sale in one atomic read. */
  async sample(sale: number): Promise<RedisSample> {
    const { state, owners, batches } = keysOf(sale);
    const replies = await this.#redis
      .multi()
      .hmget(state, 'ready', 'history_id', 'available', 'extra_held')
      .hlen(owners)
      .hlen(batches)
      .info('replication')
      .exec();
    const atMs = Date.now();
    const [fields, ownerCount, batchCount, info] = (replies ?? []).map(([error, value]) => {
      if (error) throw error;
      return value;
    }) as [(string | null)[], number, number, string];
    const historyId = /master_replid:([0-9a-f]+)/.exec(info)?.[1] ?? '';
    return {
      at_ms: atMs,
      sale,
      ready: fields[0] === '1' && fields[1] === historyId,
      history_id: historyId,
      available: Number(fields[2] ?? 0),
      held: ownerCount + Number(fields[3] ?? 0),
      batches: batchCount,
    };
  }

  /** The admission time of the oldest batch that waits; undefined if there is none. */
  async oldestBatchMs(sale: number): Promise<number | undefined> {
    const [, score] = await this.#redis.zrange(keysOf(sale).batchTimes, '0', '0', 'WITHSCORES');
    return score === undefined ? undefined : Number(score);
  }

  async final(sale: number): Promise<Pick<FinalReading, 'ready' | 'available' | 'owners' | 'reservations'>> {
    const names = keysOf(sale);
    const { ready, available } = await this.sample(sale);
    const owners = await this.#wholeHash(names.owners);
    const batches = await this.#wholeHash(names.batches);
    // The first line of a batch is about the batch, the others begin with an order number.
    const orderNos = [...batches.values()].flatMap((record) =>
      record
        .split('\n')
        .slice(1)
        .map((line) => line.split(' ')[0]!),
    );
    return { ready, available, owners, reservations: new Set(orderNos) };
  }

  async flushScripts(): Promise<void> {
    await this.#redis.script('FLUSH');
  }

  /** Makes Redis a replica of another one until it has its data, then a master again. */
  async followAndPromote(port: number): Promise<void> {
    await this.#redis.call('REPLICAOF', '127.0.0.1', String(port));
    await untilInStep(this.#redis);
    await this.#redis.call('REPLICAOF', 'NO', 'ONE');
  }

  close(): void {
    this.#redis.disconnect();
  }

  async #wholeHash(name: string): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    let cursor = '0';
    do {
      const [next, flat] = await this.#redis.hscan(name, cursor, 'COUNT', SCAN_COUNT);
      for (let i = 0; i < flat.length; i += 2) found.set(flat[i]!, flat[i + 1]!);
      cursor = next;
    } while (cursor !== '0');
    return found;
  }
}
