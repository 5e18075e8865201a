import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { connectRedis } from '../../../src/platform/redis/client.ts';
import { RedisClock } from '../../../src/platform/redis/clock.ts';
import { createCommands } from '../../../src/commands.ts';
import { codeOfRedisError, REDIS_ERRORS, redisFault } from '../../../src/platform/redis/errors.ts';
import { testContext } from '../../../testing/support.ts';

const context = await testContext();

/** An address without a server. */
async function nobodysAddress(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

/** The code of a failed call; 'no error' if it succeeds. */
const codeOf = (call: Promise<unknown>): Promise<string | undefined> =>
  call.then(
    () => 'no error',
    (error: unknown) => codeOfRedisError(error),
  );

/** The reply of Redis, the code for a client, and whether only an operator can fix it. */
const REFUSED: [message: string, code: string | undefined, fault: boolean][] = [
  ["OOM command not allowed when used memory > 'maxmemory'.", 'overloaded', true],
  ['LOADING Redis is loading the dataset in memory', 'not_ready', false],
  ["READONLY You can't write against a read only replica.", 'unavailable', false],
  ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", 'unavailable', false],
  ['NOREPLICAS Not enough good replicas to write.', 'unavailable', false],
  [
    'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
    'unavailable',
    false,
  ],
  ['CLUSTERDOWN The cluster is down', 'unavailable', false],
  ['TRYAGAIN Multiple keys request during rehashing of slot', 'unavailable', false],
  ['MOVED 1 127.0.0.1:6379', 'unavailable', false],
  ['BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.', 'unavailable', false],
  ['UNKILLABLE Sorry the script already executed write commands against the dataset.', 'unavailable', false],
  ['EXECABORT Transaction discarded because of previous errors.', 'unavailable', false],
  ['NOSCRIPT No matching script. Please use EVAL.', 'unavailable', false],
  ['ERR max number of clients reached', 'unavailable', true],
  [
    'MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk.',
    'unavailable',
    true,
  ],
  ['NOAUTH Authentication required.', 'unavailable', true],
  ['WRONGPASS invalid username-password pair or user is disabled.', 'unavailable', true],
  ['DENIED Redis is running in protected mode', 'unavailable', true],
  ["NOPERM this user has no permissions to run the 'info' command", 'unavailable', true],
  ["ERR The user executing the script can't run this command or subcommand", 'unavailable', true],
  ["ERR ACL failure in script: User default has no permissions to run the 'info' command", 'unavailable', true],
  ["ERR unknown command 'ZADD', with args beginning with: ", 'unavailable', true],
  ['ERR Unknown Redis command called from script', 'unavailable', true],
  ['WRONGTYPE Operation against a key', undefined, true],
  ['ERR wrong number of arguments', undefined, false],
];

describe('a call that Redis refuses', () => {
  test.each(REFUSED)('with %j is answered %s, and needs an operator: %s', async (message, code, fault) => {
    const raised = context.redis.eval('return redis.error_reply(ARGV[1])', 0, message);
    const error = await raised.catch((thrown: unknown) => thrown);
    expect(codeOfRedisError(error)).toBe(code);
    expect(redisFault(error)?.startsWith('Redis: ') ?? false).toBe(fault);
  });

  test('for every entry of the table is in the list above', () => {
    const untold = REDIS_ERRORS.filter(({ reply }) => !REFUSED.some(([message]) => reply.test(message)));
    expect(untold).toEqual([]);
  });
});

test.each([
  'Too many Cluster redirections. Last error: ReplyError: MOVED 1 127.0.0.1:6379',
  "Cluster isn't ready and enableOfflineQueue options is false",
  'None of startup nodes is available',
])('what ioredis says of a cluster with a lost master is answered unavailable: %s', (message) => {
  expect(codeOfRedisError(new Error(message))).toBe('unavailable');
});

describe('a call of a request', () => {
  test('to a Redis that is down answers unavailable at once: nothing waits in a queue', async () => {
    const redis = connectRedis({ ...context.config, REDIS_ADDR: await nobodysAddress() }, 'request');
    redis.on('error', () => undefined);
    try {
      const askedMs = performance.now();
      expect(await codeOf(redis.get('key'))).toBe('unavailable');
      expect(performance.now() - askedMs).toBeLessThan(1_000);
    } finally {
      redis.disconnect();
    }
  });

  test('that Redis does not answer in time answers unavailable', async () => {
    const redis = connectRedis({ ...context.config, REDIS_TIMEOUT_MS: 1_000 }, 'request');
    try {
      await expect.poll(() => redis.status).toBe('ready');
      expect(await codeOf(redis.call('BLPOP', `${context.config.REDIS_PREFIX}nothing`, '5'))).toBe('unavailable');
    } finally {
      redis.disconnect();
    }
  });

  test('on a connection that is closed answers unavailable', async () => {
    const redis = connectRedis(context.config, 'request');
    await expect.poll(() => redis.status).toBe('ready');
    redis.disconnect();
    expect(await codeOf(redis.get('key'))).toBe('unavailable');
  });
});

test('an error that is not Redis’s has no code', () => {
  for (const error of [new Error('other'), new TypeError('x is undefined'), null, undefined, 'OOM', {}]) {
    expect(codeOfRedisError(error)).toBeUndefined();
  }
});

describe('the clock of a process', () => {
  test('returns Redis’s time and history after it has read them, and never jumps back', async () => {
    const clock = new RedisClock(context.redis, context.commands, 0);
    expect(clock.historyId).toBe('');
    const { nowMs: beforeMs, historyId } = await context.commands.clock(0);
    await clock.untilKnown(5_000);
    expect(clock.historyId).toBe(historyId);
    const toldMs = clock.nowMs();
    const { nowMs: afterMs } = await context.commands.clock(0);
    // Half a round trip is the most that it can be off by.
    const slackMs = afterMs - beforeMs + 1;
    expect(toldMs).toBeGreaterThanOrEqual(beforeMs - slackMs);
    expect(toldMs).toBeLessThanOrEqual(afterMs + slackMs);
    expect(clock.nowMs()).toBeGreaterThanOrEqual(toldMs);
  });

  test('reads the time by itself after its start and after a new connection, and no more after its stop', async () => {
    const redis = connectRedis(context.config, 'background');
    let asked = 0;
    const real = createCommands(redis, context.keys);
    const commands = {
      ...real,
      clock: (shard: number) => {
        asked += 1;
        return real.clock(shard);
      },
    };
    const clock = new RedisClock(redis, commands, 0);
    try {
      clock.start();
      await expect.poll(() => clock.historyId).not.toBe('');
      await expect.poll(() => redis.status).toBe('ready');
      clock.stop();
      const stopped = asked;
      clock.start();
      expect(asked).toBe(stopped + 1);
      const connected = once(redis, 'ready');
      redis.disconnect(true);
      await connected;
      expect(asked).toBeGreaterThanOrEqual(stopped + 2);
      clock.stop();
      clock.stop();
      expect(redis.listenerCount('ready')).toBe(0);
    } finally {
      clock.stop();
      redis.disconnect();
    }
  });

  test('does not wait for a Redis that is down longer than its limit', async () => {
    const redis = connectRedis({ ...context.config, REDIS_ADDR: await nobodysAddress() }, 'request');
    redis.on('error', () => undefined);
    try {
      const clock = new RedisClock(redis, createCommands(redis, context.keys), 0);
      await clock.untilKnown(120);
      expect(clock.historyId).toBe('');
      // Before its first reading it returns the machine's own time.
      expect(Math.abs(clock.nowMs() - Date.now())).toBeLessThan(1_000);
    } finally {
      redis.disconnect();
    }
  });
});
