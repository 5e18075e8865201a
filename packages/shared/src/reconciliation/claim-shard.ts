import { createHash } from 'node:crypto';
import { ConfigError } from '../platform/config/config.ts';
import type { Db } from '../platform/mysql/client.ts';
import type { RedisClient } from '../platform/redis/client.ts';
import { namingKeys } from '../platform/redis/key-types.ts';
import type { Keys } from '../platform/redis/keys.ts';
import { sharedTokenSecret } from '../seckill-token/token-secrets-table.ts';

const NAME_LENGTH = 32;

/**
 * The name of a ledger. It is computed from the first secret that the ledger made, which never
 * changes: a restored backup or a promoted replica has the same name, another database has another.
 */
export async function ledgerName(db: Db): Promise<string> {
  const secret = await sharedTokenSecret(db);
  return createHash('sha256').update('ledger:').update(secret).digest('hex').slice(0, NAME_LENGTH);
}

/**
 * Claims the keys of a shard for a ledger. The keys of two ledgers must never be the same: both
 * count their sales from 1, so workers would write the orders of one into the other, and clean-up
 * would delete live sales.
 *
 * @throws ConfigError if the keys belong to another ledger
 */
export async function claimShard(
  { redis, keys }: { readonly redis: RedisClient; readonly keys: Keys },
  shard: number,
  ledger: string,
): Promise<void> {
  const key = keys.ledger(shard);
  // A full Redis, or a replica, still answers GET.
  const kept = await redis.get(key).catch(async (error: unknown) => {
    throw await namingKeys(redis, error, [key]);
  });
  const owner = kept ?? (await redis.set(key, ledger, 'NX', 'GET')) ?? ledger;
  if (owner === ledger) return;
  throw new ConfigError([
    `The keys in Redis belong to another database: correct REDIS_ADDR, DB_HOST or DB_NAME, or set another REDIS_PREFIX. If that database is lost for good, delete what Redis has of it, "${key}" included`,
  ]);
}
