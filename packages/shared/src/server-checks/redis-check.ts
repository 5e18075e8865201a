import { createHash, randomUUID } from 'node:crypto';
import { Cluster } from 'ioredis';
import type { RedisClient } from '../platform/redis/client.ts';
import { redisFault, redisFaultOf } from '../platform/redis/errors.ts';
import type { Keys } from '../platform/redis/keys.ts';

/** An example of a call that scripts make. `$name` stands for a key of that kind. */
type Call = readonly [command: string, ...args: string[]];

/**
 * Every command that our scripts and BullMQ's scripts call, each in a form that succeeds. Each key
 * is of one type, and is created and deleted in this order.
 */
export const SCRIPT_CALLS: readonly Call[] = [
  ['TIME'],
  ['INFO', 'server'],
  ['SET', '$string', '1'],
  ['GET', '$string'],
  ['MGET', '$string'],
  ['INCR', '$string'],
  ['INCRBY', '$string', '1'],
  ['DECRBY', '$string', '1'],
  ['BITFIELD', '$string', 'SET', 'u1', '7', '1'],
  ['BITOP', 'OR', '$string', '$string', '$string'],
  ['PSETEX', '$string', '10000', '1'],
  ['PEXPIRE', '$string', '10000'],
  ['PEXPIREAT', '$string', '99999999999999'],
  ['PTTL', '$string'],
  ['PERSIST', '$string'],
  ['TYPE', '$string'],
  ['EXISTS', '$string'],
  ['RENAME', '$string', '$renamed'],
  ['DEL', '$renamed'],
  ['HSET', '$hash', 'a', '1'],
  ['HMSET', '$hash', 'b', '1'],
  ['HINCRBY', '$hash', 'a', '1'],
  ['HGET', '$hash', 'a'],
  ['HMGET', '$hash', 'a'],
  ['HGETALL', '$hash'],
  ['HLEN', '$hash'],
  ['HEXISTS', '$hash', 'a'],
  ['HSCAN', '$hash', '0'],
  ['HDEL', '$hash', 'a', 'b'],
  ['RPUSH', '$list', 'a', 'b', 'c'],
  ['LPUSH', '$list', 'a'],
  ['LSET', '$list', '0', 'a'],
  ['LINDEX', '$list', '0'],
  ['LLEN', '$list'],
  ['LPOS', '$list', 'a'],
  ['LRANGE', '$list', '0', '-1'],
  ['RPOPLPUSH', '$list', '$list'],
  ['LREM', '$list', '1', 'a'],
  ['LPOP', '$list'],
  ['RPOP', '$list'],
  ['LTRIM', '$list', '1', '0'],
  ['SADD', '$set', 'a'],
  ['SCARD', '$set'],
  ['SISMEMBER', '$set', 'a'],
  ['SMEMBERS', '$set'],
  ['SREM', '$set', 'a'],
  ['ZADD', '$sorted', '1', 'a', '2', 'b'],
  ['ZCARD', '$sorted'],
  ['ZCOUNT', '$sorted', '0', '1'],
  ['ZLEXCOUNT', '$sorted', '-', '+'],
  ['ZSCORE', '$sorted', 'a'],
  ['ZMSCORE', '$sorted', 'a', 'b'],
  ['ZRANGE', '$sorted', '0', '-1'],
  ['ZRANGEBYLEX', '$sorted', '-', '+'],
  ['ZRANGEBYSCORE', '$sorted', '0', '1'],
  ['ZREVRANGE', '$sorted', '0', '-1'],
  ['ZREVRANGEBYSCORE', '$sorted', '1', '0'],
  ['ZREM', '$sorted', 'c'],
  ['ZREMRANGEBYRANK', '$sorted', '5', '6'],
  ['ZREMRANGEBYSCORE', '$sorted', '5', '6'],
  ['ZPOPMIN', '$sorted'],
  ['XADD', '$stream', '*', 'a', '1'],
  ['XLEN', '$stream'],
  ['XRANGE', '$stream', '-', '+'],
  ['XREAD', 'STREAMS', '$stream', '0'],
  ['XTRIM', '$stream', 'MAXLEN', '1'],
  ['XDEL', '$stream', '0-1'],
  ['PUBLISH', '$channel', 'a'],
  ['UNLINK', '$hash', '$list', '$set', '$sorted', '$stream', '$string'],
];

/**
 * Tries each call and returns those that were refused, with the error. If UNLINK is refused, the
 * key expires by itself.
 */
const TRY_CALLS = `
local refused = {}
for _, call in ipairs(cjson.decode(ARGV[1])) do
  local reply = redis.pcall(unpack(call))
  if type(reply) == 'table' and reply.err then
    refused[#refused + 1] = {call[1], reply.err}
  end
end
for _, key in ipairs(KEYS) do
  redis.pcall('PEXPIRE', key, 10000)
end
return refused`;

/** A script to test how scripts are loaded and run. Another one tries the calls. */
const SCRIPT = 'return 1';
const SCRIPT_SHA = createHash('sha1').update(SCRIPT).digest('hex');

const KINDS = ['string', 'renamed', 'hash', 'list', 'set', 'sorted', 'stream'] as const;

/**
 * Tries in Redis what the service does there, on keys of its own in each shard.
 *
 * @param redis a connection for this check alone: it becomes a subscriber
 * @returns the refused commands and missing rights
 */
export async function tryRedis(redis: RedisClient, keys: Keys, shards: number): Promise<string[]> {
  const refused = new Map<string, Set<string>>();
  const note = (command: string, fault: string): void => {
    refused.set(fault, (refused.get(fault) ?? new Set()).add(command));
  };
  /** Other errors say nothing about rights: the server is down or busy. */
  const attempt = async <Reply>(command: string, call: () => Promise<Reply>): Promise<Reply | undefined> => {
    try {
      return await call();
    } catch (error) {
      const fault = redisFault(error);
      if (fault === undefined) throw error;
      note(command, fault);
      return undefined;
    }
  };

  await attempt('PING', () => redis.ping());
  await attempt('INFO', () => redis.info());
  if (!(redis instanceof Cluster)) {
    // In a cluster any server may answer.
    const loaded = await attempt('SCRIPT LOAD', () => redis.script('LOAD', SCRIPT));
    await attempt('SCRIPT EXISTS', () => redis.script('EXISTS', SCRIPT_SHA));
    if (loaded !== undefined) await attempt('EVALSHA', () => redis.evalsha(SCRIPT_SHA, 0));
  }
  for (let shard = 0; shard < shards; shard += 1) {
    const base = keys.startCheck(shard, randomUUID());
    const names = KINDS.map((kind) => `${base}:${kind}`);
    const calls = SCRIPT_CALLS.map(([command, ...args]) => [
      command,
      ...args.map((arg) => (arg.startsWith('$') ? `${base}:${arg.slice(1)}` : arg)),
    ]);
    const answers = await attempt('EVAL', () => redis.eval(TRY_CALLS, names.length, ...names, JSON.stringify(calls)));
    const others: string[] = [];
    for (const [command, said] of (answers ?? []) as [string, string][]) {
      const fault = redisFaultOf(said);
      if (fault === undefined) others.push(`Redis answered ${command} with ${said}`);
      else note(command, fault);
    }
    // A call may fail because the one that creates its key was refused.
    if (others.length > 0 && refused.size === 0) throw new Error(others[0]);
    // The way in which workers wait for jobs.
    await attempt('BZPOPMIN', () => redis.bzpopmin(`${base}:sorted`, 0.01));
    await attempt('MULTI', () => redis.multi().ping().exec());
    await attempt('SUBSCRIBE', () => redis.subscribe(`${base}:channel`));
    await attempt('UNSUBSCRIBE', () => redis.unsubscribe());
  }
  return [...refused].map(([fault, commands]) => `${fault}: ${[...commands].join(' ')}`);
}
