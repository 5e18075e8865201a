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

/** BullMQ's connections in a process: one that adds jobs, and in a worker two that take them. */
const CONNECTIONS = { api: 1, worker: 3 } as const;
const OPENED_MS_MAX = 15_000;

/**
 * BullMQ's first command on a connection asks for the version of the server. Just before, ioredis
 * has asked whether the server is ready. No other connection sends these two in a row.
 */
const INFO = '*1\r\n$4\r\ninfo\r\n';
const opensQueue = ({ opening }: Passing): boolean => opening.toLowerCase().endsWith(INFO + INFO);

/**
 * Redis freezes whenever a process that has just started opens its queue, and again at the first
 * buys. No process may be spared: the jobs that one adds have the orders of all written.
 */
const frozenAtFirstUse: Fault = {
  name: 'frozen_at_first_use',
  what: 'every process is started anew; Redis freezes for 1.2 to 2.5 s whenever one opens its queue, and at the first buys',
  isLong: true,
  fillsRound: true,
  async run(stage) {
    const { client, cluster, random } = stage.deps;
    const { apis, workers, redis, redisProxy } = cluster;
    const processes = [...apis, ...workers];
    // Longer than the processes wait for an answer.
    const frozenMs = random.integer(1_200, 2_500);
    const missing = new Map<string, number>([
      ...apis.map(({ name }) => [name, CONNECTIONS.api] as const),
      ...workers.map(({ name }) => [name, CONNECTIONS.worker] as const),
    ]);
    const frozen = new Set<number>();
    let thaw: NodeJS.Timeout | undefined;
    const release = client.hold();
    try {
      await Promise.all(processes.map((process) => process.kill()));
      const unwatch = redisProxy.watch((passing) => {
        // A queue that is opened again uses the same connection.
        if (!opensQueue(passing) || frozen.has(passing.connection)) return 'pass';
        frozen.add(passing.connection);
        missing.set(passing.client, missing.get(passing.client)! - 1);
        redis.freeze();
        clearTimeout(thaw);
        thaw = setTimeout(() => redis.thaw(), frozenMs);
        return 'pass';
      });
      await Promise.all(processes.map((process) => process.start()));
      const untilMs = Date.now() + OPENED_MS_MAX;
      while ([...missing.values()].some((connections) => connections > 0)) {
        if (Date.now() > untilMs) throw new Error(`not all queues were opened: ${JSON.stringify([...missing])}`);
        await pause(50);
      }
      unwatch();
      await pause(frozenMs);
    } finally {
      release();
    }
    await stage.strikeWhenBusy(() => redis.freeze());
    await pause(frozenMs);
    redis.thaw();
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
