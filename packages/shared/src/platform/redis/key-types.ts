import type { RedisClient } from './client.ts';

/**
 * The types of all keys that the service uses itself, by the part of their name that says what they
 * are.
 */
const TYPES: Readonly<Record<string, 'hash' | 'set' | 'string' | 'zset'>> = {
  'sale:state': 'hash',
  'sale:pause': 'string',
  'sale:owners': 'hash',
  'sale:batches': 'hash',
  'sale:batch_times': 'zset',
  'sale:outcomes': 'hash',
  'sale:building': 'hash',
  'sale:live_tokens': 'zset',
  'sale:lease': 'string',
  'sale:lease_waiting': 'string',
  'sale:fence': 'string',
  'sale:room': 'hash',
  'sale:room_early': 'string',
  'sale:room_late': 'string',
  'sale:room_loading': 'string',
  'sale:room_entered': 'zset',
  'sale:room_bought': 'zset',
  'bucket:global': 'string',
  'bucket:users': 'hash',
  tokens: 'hash',
  challenge: 'string',
  joined: 'hash',
  download: 'string',
  settled: 'string',
  changed: 'string',
  backlog: 'string',
  outbox: 'zset',
  stopped: 'set',
  ledger: 'string',
  mark: 'string',
  shedding: 'string',
  service: 'string',
  processes: 'hash',
};

/** The type that a key of ours must have; undefined if the key is not ours, or is BullMQ's. */
export function typeOfKey(key: string): string | undefined {
  const { kind = '', part } = /:?v\d+:(?<kind>[a-z]+):\{\d+\}(?::\d+)?(?::(?<part>[a-z_]+))?/.exec(key)?.groups ?? {};
  return TYPES[`${kind}:${part}`] ?? TYPES[kind];
}

/**
 * The error of a call with these keys. If somebody has overwritten one of them, Redis does not say
 * which; then the message names it.
 */
export async function namingKeys(redis: RedisClient, error: unknown, keys: readonly string[]): Promise<unknown> {
  if (!(error instanceof Error) || !error.message.startsWith('WRONGTYPE')) return error;
  const types = await Promise.all(keys.map((key) => redis.type(key).catch(() => 'none')));
  const wrong = keys.flatMap((key, i) => {
    const [is, must] = [types[i]!, typeOfKey(key)];
    return is === 'none' || must === undefined || is === must ? [] : [`"${key}" is a ${is} and must be a ${must}`];
  });
  if (wrong.length > 0) error.message = `WRONGTYPE: ${wrong.join(', ')}`;
  return error;
}
