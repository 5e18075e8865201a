import type { Cluster, Server } from '../cluster.ts';
import type { ServiceProcess } from '../../stage/service-process.ts';
import type { Fault } from './fault.ts';
import type { Stage } from './stage.ts';

/** What can be killed, frozen and started: a process of the service or a server. */
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

const freeze = (name: keyof typeof victims, min_s: number, max_s: number): Fault => ({
  name: `${name}_frozen`,
  what: `SIGSTOP of ${name}, SIGCONT ${min_s} to ${max_s} s later`,
  isLong: true,
  async run(stage) {
    const victim = victims[name](stage);
    await stage.strikeWhenBusy(() => victim.freeze());
    await stage.pauseBetween(min_s, max_s);
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

export const processFaults: readonly Fault[] = [
  kill('api'),
  kill('worker'),
  kill('redis'),
  kill('mysql'),
  freeze('api', 1, 4),
  // Longer and shorter than a lease lives (3 s) and than the locks of its transaction do (5 s).
  freeze('worker', 2, 6),
  freeze('redis', 1, 4),
  freeze('mysql', 1, 4),
  rollingRestart,
];
