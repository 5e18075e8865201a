import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import type { Cluster, Server } from '../cluster.ts';
import type { Passing } from '../proxy.ts';
import type { ServiceProcess } from '../../stage/service-process.ts';
import type { Fault } from './fault.ts';
import type { Stage } from './stage.ts';

/** A process of the service or a server, which can be killed, frozen and started. */
type Mortal = Pick<Server | ServiceProcess, 'kill' | 'start' | 'freeze' | 'thaw'>;
type Victim = (stage: Stage) => Mortal;

const victims: Readonly<Record<'api' | 'worker' | 'redis' | 'mysql', Victim>> = {
  api: (stage) => stage.pick(stage.deps.cluster.apis),
  worker: (stage) => stage.pick(stage.deps.cluster.workers),
  redis: (stage) => stage.deps.cluster.redis,
  mysql: (stage) => stage.deps.cluster.mysql,
};

const kill = (name: keyof typeof victims): Fault => ({
  name: `${name}_killed`,
  what: `SIGKILL of ${name}, started again on the same port and data`,
  ...(name === 'mysql' ? { isLong: true } : {}),
  async run(stage) {
    const victim = victims[name](stage);
    await stage.strikeWhenBusy(() => victim.kill());
    await stage.pauseBetween(0, 1);
    await victim.start();
  },
});

const freeze = (name: keyof typeof victims, minS: number, maxS: number): Fault => ({
  name: `${name}_frozen`,
  what: `SIGSTOP of ${name}, SIGCONT ${minS} to ${maxS} s later`,
  isLong: true,
  async run(stage) {
    const victim = victims[name](stage);
    await stage.strikeWhenBusy(() => victim.freeze());
    await stage.pauseBetween(minS, maxS);
    victim.thaw();
  },
});

const rollingRestart: Fault = {
  name: 'rolling_restart',
  what: 'SIGTERM and a new start of every process and server, one after the other',
  isLong: true,
  fillsRound: true,
  async run(stage) {
    const { apis, workers, redis, mysql }: Cluster = stage.deps.cluster;
    await stage.strikeWhenBusy(() => undefined);
    for (const process of [...apis, ...workers, redis, mysql]) {
      await process.stop();
      await process.start();
    }
  },
};

/**
 * Longer than a lease, a stalled-job check and a relay round need to process the rest without new
 * buys.
 */
const QUIET_MS_MAX = 12_000;

/**
 * Matches BullMQ's first command for a new queue: an INFO on a connection that is already in use. A
 * connection's own INFO, which tests whether the server is ready, is its first command. The first
 * connection of a client that sends another INFO is the one of the check at start.
 */
function opensQueue(): (passing: Passing) => boolean {
  const asked = new Set<number>();
  const checked = new Set<string>();
  return ({ client, connection, text }) => {
    if (!text.toLowerCase().includes('\r\ninfo\r\n')) return false;
    if (!asked.has(connection)) {
      asked.add(connection);
      return false;
    }
    if (checked.has(client)) return true;
    checked.add(client);
    return false;
  };
}

/**
 * Redis freezes when a process that has just started opens its queue, or at the first buys: new
 * connections then meet a server that does not answer in time.
 */
const frozenAtFirstUse: Fault = {
  name: 'frozen_at_first_use',
  what: 'every process is started anew, and Redis freezes for 1.2 to 2.5 s when one of them opens its queue',
  isLong: true,
  fillsRound: true,
  async run(stage) {
    const { client, cluster, redis, sale } = stage.deps;
    const { apis, workers } = cluster;
    const kind = stage.pick(['api', 'worker']);
    const isFirstUse = opensQueue();
    let thawing: Promise<void> | undefined;
    const freezeRedis = async (): Promise<void> => {
      cluster.redis.freeze();
      await stage.pauseBetween(1.2, 2.5);
      cluster.redis.thaw();
    };
    const open = client.hold();
    let unwatch = (): void => undefined;
    try {
      // Wait until nothing is left to process; otherwise the new processes would use everything at
      // once.
      const untilMs = Date.now() + QUIET_MS_MAX;
      while ((await redis.oldestBatchMs(sale.id)) !== undefined && Date.now() < untilMs) await pause(50);
      await Promise.all([...apis, ...workers].map((process) => process.kill()));
      unwatch = cluster.redisProxy.watch((passing) => {
        if (passing.client.startsWith(kind) && isFirstUse(passing)) thawing ??= freezeRedis();
        return 'pass';
      });
      await Promise.all([...apis, ...workers].map((process) => process.start()));
    } finally {
      open();
    }
    stage.deps.note('cold', { kind, frozenInStart: thawing !== undefined });
    await stage.strikeWhenBusy(() => (thawing ??= freezeRedis()));
    await thawing;
    unwatch();
  },
};

/** Busy loops per core: every process gets a fraction of the CPU time that it needs. */
const LOOPS_PER_CORE = 2;

const cpuStarved: Fault = {
  name: 'cpu_starved',
  what: 'two busy loops for each core run beside the service for 3 to 6 s',
  isLong: true,
  async run(stage) {
    const loops = await stage.strikeWhenBusy(() =>
      Array.from({ length: LOOPS_PER_CORE * availableParallelism() }, () =>
        // It ends by itself if this process is killed.
        spawn(process.execPath, ['-e', 'const end = Date.now() + 15e3; while (Date.now() < end);'], {
          stdio: 'ignore',
        }),
      ),
    );
    await stage.pauseBetween(3, 6);
    for (const loop of loops) loop.kill('SIGKILL');
    await Promise.all(loops.map((loop) => once(loop, 'exit')));
  },
};

export const processFaults: readonly Fault[] = [
  frozenAtFirstUse,
  cpuStarved,
  kill('api'),
  kill('worker'),
  kill('redis'),
  kill('mysql'),
  freeze('api', 1, 4),
  // Both longer and shorter than the life of a lease (3 s) and than the locks of its transaction (5
  // s).
  freeze('worker', 2, 6),
  freeze('redis', 1, 4),
  freeze('mysql', 1, 4),
  rollingRestart,
];
