import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** Something that runs by itself for as long as the process lives. */
export interface Service {
  start(): void;
  /** Ends after the round that is under way. Safe to call twice, or before `start`. */
  stop(): Promise<void>;
}

/** One kind of round of a service. */
export interface Rounds<Name extends string = string> {
  readonly name: Name;
  readonly interval_ms: number;
  /**
   * Does what there is to do now. What it throws is logged, and the next round tries again. May return how long to pause before the next round
   * (ms), if that is not `interval_ms`.
   */
  readonly round: (stopping: AbortSignal) => Promise<number | void>;
  /** Takes back what the last round told, where this process does not lead any more or cannot tell. */
  readonly rest?: () => void;
}

/**
 * A service that does a round, pauses for `interval_ms`, and so on. The next round starts only after the one before has ended, however
 * slow a server is: two rounds never overlap, so a late answer can never replace a newer one. Everything that a process does by interval is one of these.
 *
 * @param log left out if a round that fails need not be told
 */
export function repeating(
  { name, interval_ms, round, rest }: Rounds,
  log?: Pick<Logger, 'warn'>,
  metrics?: Pick<Metrics, 'rounds_failed'>,
): Service {
  metrics?.rounds_failed.inc({ service: name }, 0);
  const stopping = new AbortController();
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      let pauseMs: number | void = undefined;
      try {
        pauseMs = await round(stopping.signal);
      } catch (error) {
        rest?.();
        metrics?.rounds_failed.inc({ service: name });
        log?.warn({ err: error, service: name }, 'round failed');
      }
      // A pause keeps no process alive: what it serves does.
      const options = { signal: stopping.signal, ref: false };
      await delay(pauseMs ?? interval_ms, undefined, options).catch(() => undefined);
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
