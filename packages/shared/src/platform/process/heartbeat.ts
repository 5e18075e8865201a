import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from '../telemetry/logger.ts';
import type { createProcessCommands, ProcessReport } from './process-commands.ts';
import { repeating, type Service } from './service.ts';

const INTERVAL_MS = 5_000;
/** A process without a heartbeat for this time is not listed any more. */
const PROCESS_KEPT_MS = 15_000;

type Commands = Pick<ReturnType<typeof createProcessCommands>, 'noteProcess' | 'forgetProcess'>;

/** Shows operators that this process runs, and how busy it is. Nothing else depends on it. */
export function heartbeat(commands: Commands, kind: ProcessReport['kind'], log: Pick<Logger, 'warn'>): Service {
  const name = `${kind}-${randomBytes(6).toString('hex')}`;
  const startedAtMs = Math.round(performance.timeOrigin);
  let seen = { cpu: process.cpuUsage(), loop: performance.eventLoopUtilization(), atMs: performance.now() };

  const report = (): ProcessReport => {
    const now = { cpu: process.cpuUsage(), loop: performance.eventLoopUtilization(), atMs: performance.now() };
    const { user, system } = process.cpuUsage(seen.cpu);
    const passedUs = Math.max(1, now.atMs - seen.atMs) * 1_000;
    const { utilization } = performance.eventLoopUtilization(now.loop, seen.loop);
    seen = now;
    return {
      kind,
      host: hostname(),
      pid: process.pid,
      startedAtMs,
      cpu: Number(((user + system) / passedUs).toFixed(3)),
      busy: Number(utilization.toFixed(3)),
      memoryBytes: process.memoryUsage.rss(),
    };
  };

  const service = repeating(
    { name: 'heartbeat', intervalMs: INTERVAL_MS, round: () => commands.noteProcess(name, report(), PROCESS_KEPT_MS) },
    log,
  );
  return {
    start: () => service.start(),
    async stop() {
      await service.stop();
      // If Redis does not answer, the process is forgotten after a while.
      await commands.forgetProcess(name).catch(() => undefined);
    },
  };
}
