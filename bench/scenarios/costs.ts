import { cpuUs } from '../stage/cpu.ts';
import type { Stage } from '../stage/stage.ts';

/** The CPU time used until now. */
export interface SpentJson {
  readonly api_us: number;
  readonly redis_us: number;
  readonly mysql_us: number;
  readonly worker_us: number;
  /** This process, which generates the load. */
  readonly client_us: number;
  /** Time in scripts, by Redis's own count. */
  readonly redis_scripts_us: number;
  readonly redis_commands: number;
}

export async function spent(stage: Stage): Promise<SpentJson> {
  const { pids, worker, redis } = stage;
  const statistics = await redis.info('commandstats');
  let redisScriptsUs = 0;
  let redisCommands = 0;
  for (const [, name, calls, usec] of statistics.matchAll(/^cmdstat_([^:]+):calls=(\d+),usec=(\d+)/gm)) {
    redisCommands += Number(calls);
    if (name === 'evalsha' || name === 'eval') redisScriptsUs += Number(usec);
  }
  return {
    api_us: cpuUs(pids.api) ?? Number.NaN,
    redis_us: cpuUs(pids.redis) ?? Number.NaN,
    mysql_us: cpuUs(pids.mysql) ?? Number.NaN,
    worker_us: cpuUs(worker.pid()) ?? Number.NaN,
    client_us: process.cpuUsage().user + process.cpuUsage().system,
    redis_scripts_us: redisScriptsUs,
    redis_commands: redisCommands,
  };
}

/** The processes that are ours: all but the one that generates the load. */
const SERVICE = ['api_us', 'redis_us', 'mysql_us', 'worker_us'] as const;

/**
 * The cost of each of `count`: `{ api_us_per_buy, …, service_us_per_buy }` for `count` buys. The
 * last one is the sum of our processes. Omitted if the system does not report it.
 */
export function perEach(before: SpentJson, after: SpentJson, count: number, each: string): Record<string, number> {
  const costOf = (name: keyof SpentJson): number => (after[name] - before[name]) / count;
  return Object.fromEntries(
    (Object.keys(after) as (keyof SpentJson)[])
      .map((name): [string, number] => [`${name}_per_${each}`, costOf(name)])
      .concat([[`service_us_per_${each}`, SERVICE.reduce((sum, name) => sum + costOf(name), 0)]])
      .filter(([, value]) => Number.isFinite(value)),
  );
}
