import { readFileSync } from 'node:fs';
import { CallTimes, type CallTime } from './call-times.ts';
import type { RedisClient } from './client.ts';
import { namingKeys } from './key-types.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export type Argument = string | number | Buffer;
export type ScriptMetrics = Pick<Metrics, 'redisScriptSeconds' | 'redisScriptErrors' | 'fencingRefusals'>;

interface ScriptOptions {
  /**
   * The script stores new data. All others free memory, or are needed to do so, and also run when
   * Redis is out of memory.
   */
  readonly needsMemory?: boolean;
  /**
   * Whether a reply means that the lease was lost. Only for a script with no other reason to
   * refuse.
   */
  readonly isFenced?: (reply: unknown) => boolean;
}

/** A Lua script: its file name without `.lua` is the name of its command. */
export interface Script<Name extends string> extends ScriptOptions {
  readonly name: Name;
  readonly lua: string;
}

/** Runs a script on keys of one shard. */
export type RunScript<Name extends string> = <Reply>(
  name: Name,
  keys: readonly string[],
  args: readonly Argument[],
) => Promise<Reply>;

/**
 * Runs a script that must not run late. Its first two arguments are the history of Redis and a
 * deadline, which precede `args`. If the reply says that the call arrived late, the script runs
 * once more with a new deadline.
 *
 * @throws CallLate if the second call arrived late, too
 */
export type RunScriptInTime<Name extends string> = <Reply>(
  shard: number,
  name: Name,
  keys: readonly string[],
  args: readonly Argument[],
  isLate: (reply: Reply) => boolean,
) => Promise<{ readonly reply: Reply; readonly historyId: string }>;

/** What the commands of a feature need. */
export interface RedisCalls<Name extends string> {
  /** For reads by one command. */
  readonly redis: RedisClient;
  readonly run: RunScript<Name>;
  readonly runInTime: RunScriptInTime<Name>;
}

const PRELUDE = readFileSync(new URL('prelude.lua', import.meta.url), 'utf8');

/** Reads the Lua files in the folder of the module `moduleUrl`. */
export function readScripts<const Options extends Record<string, ScriptOptions>>(
  moduleUrl: string,
  options: Options,
): Script<keyof Options & string>[] {
  return Object.entries<ScriptOptions>(options).map(([name, option]) => {
    const flags = option.needsMemory === true ? '' : ' flags=allow-oom';
    const source = readFileSync(new URL(`${name}.lua`, moduleUrl), 'utf8');
    return { ...option, name, lua: `#!lua${flags}\n${PRELUDE}\n${source}` };
  });
}

/** Defines the scripts as commands of `redis`. */
export function defineScripts<Name extends string>(
  redis: RedisClient,
  scripts: readonly Script<Name>[],
  metrics?: ScriptMetrics,
): RunScript<Name> {
  for (const { name, lua } of scripts) redis.defineCommand(name, { lua });
  const commands = redis as unknown as Record<Name, (...args: Argument[]) => Promise<unknown>>;
  /**
   * Sent by SHA. ioredis sends the text if the server does not have the script (restart, failover,
   * SCRIPT FLUSH).
   */
  const send: RunScript<Name> = <Reply>(name: Name, keys: readonly string[], args: readonly Argument[]) =>
    (commands[name](keys.length, ...keys, ...args) as Promise<Reply>).catch(async (error: unknown) => {
      throw await namingKeys(redis, error, keys);
    });
  return metrics === undefined ? send : measured(send, scripts, metrics);
}

/** Measures the time of scripts, and counts failures and refusals because of a lost lease. */
function measured<Name extends string>(
  send: RunScript<Name>,
  scripts: readonly Script<Name>[],
  metrics: ScriptMetrics,
): RunScript<Name> {
  // Initialize at 0, so that the first error counts as an increase.
  for (const { name } of scripts) metrics.redisScriptErrors.inc({ script: name }, 0);
  const fenced = new Map(scripts.map(({ name, isFenced }) => [name, isFenced]));
  return async (name, keys, args) => {
    const calledMs = performance.now();
    try {
      const reply = await send<never>(name, keys, args);
      if (fenced.get(name)?.(reply) === true) metrics.fencingRefusals.inc({ at: 'redis' });
      metrics.redisScriptSeconds.observe(name, (performance.now() - calledMs) / 1_000);
      return reply;
    } catch (error) {
      metrics.redisScriptErrors.inc({ script: name });
      throw error;
    }
  };
}

/** Gives calls their deadline, by the clock of the shard's Redis. */
export function inTime<Name extends string>(
  run: RunScript<Name>,
  clock: (shard: number) => Promise<{ nowMs: number; historyId: string }>,
): RunScriptInTime<Name> {
  const times = new CallTimes(clock);
  return async <Reply>(
    shard: number,
    name: Name,
    keys: readonly string[],
    args: readonly Argument[],
    isLate: (reply: Reply) => boolean,
  ) => {
    let historyId = '';
    const call = (time: CallTime): Promise<Reply> => {
      [historyId] = time;
      return run<Reply>(name, keys, [...time, ...args]);
    };
    const reply = await times.send(shard, call, isLate);
    return { reply, historyId };
  };
}
