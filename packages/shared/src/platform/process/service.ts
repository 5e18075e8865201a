import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** A task that runs by itself while the process lives. */
export interface Service {
  start(): void;
  /** Stops after the present round. Safe to call twice, or before `start`. */
  stop(): Promise<void>;
}

/** A service that works in rounds. */
export interface Rounds<Name extends string = string> {
  readonly name: Name;
  readonly intervalMs: number;
  /**
   * Runs one round. An error is logged, and the next round tries again. It may return the pause
   * before the next round (ms), if that is not `intervalMs`.
   */
  readonly round: (stopping: AbortSignal) => Promise<number | void>;
  /** If it says no, there is no round, and no process asks for the lead. */
  readonly isNeeded?: () => Promise<boolean>;
  /** Clears the gauges after leadership is lost or unknown. */
  readonly rest?: () => void;
}

/**
 * A service that repeats: a round, a pause of `intervalMs`, the next round. A round starts only
 * after the one before has ended, however slow a server is: two rounds never overlap, so a late
 * answer cannot replace a newer one. Everything that a process does at intervals is such a service.
 *
 * @param log omitted if a failed round needs no log line
 */
export function repeating(
  { name, intervalMs, round, rest }: Rounds,
  log?: Pick<Logger, 'warn'>,
  metrics?: Pick<Metrics, 'roundsFailed'>,
): Service {
  metrics?.roundsFailed.inc({ service: name }, 0);
  const stopping = new AbortController();
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      let pauseMs: number | void = undefined;
      try {
        pauseMs = await round(stopping.signal);
      } catch (error) {
        rest?.();
        metrics?.roundsFailed.inc({ service: name });
        log?.warn({ err: error, service: name }, 'round failed');
      }
      // The pause must not keep the process alive.
      const options = { signal: stopping.signal, ref: false };
      await delay(pauseMs ?? intervalMs, undefined, options).catch(() => undefined);
    }
  }

  return {
    start() {
      running ??= run();
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
