import { setTimeout as pause } from 'node:timers/promises';
import type { LaunchedProcess } from './launch.ts';
import { reasonOf } from './start-failure.ts';

const backoffMsMin = 1_000;
const backoffMsMax = 10_000;
/** A process that has run for this long counts as healthy: the next wait is short again. */
const soundMs = 30_000;

export interface KeptProcess<Process extends LaunchedProcess> {
  /** The present process, or the last one. */
  readonly current: Process;
  /** Ends it permanently. Safe to call twice. */
  readonly stop: (graceMs?: number) => Promise<void>;
}

/**
 * Starts a process and, until stopped, starts it again whenever it ends, with longer waits if it
 * ends soon. A failure of the first start is thrown; later ones are logged and tried again.
 *
 * `start` gets the previous process, so that a server can use its old port again, and resolves when
 * the process is ready.
 */
export async function keepRunning<Process extends LaunchedProcess>(options: {
  start: (signal: AbortSignal, previous?: Process) => Promise<Process>;
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
}): Promise<KeptProcess<Process>> {
  const { start, log } = options;
  const stopping = new AbortController();
  const startSignal = AbortSignal.any([stopping.signal, ...(options.signal ? [options.signal] : [])]);
  let current = await start(startSignal);

  async function restartForEver(): Promise<void> {
    let backoffMs = backoffMsMin;
    for (;;) {
      const readyAt = performance.now();
      const { code, signal } = await current.exited;
      if (stopping.signal.aborted) return;
      if (performance.now() - readyAt > soundMs) backoffMs = backoffMsMin;
      const how = signal ?? `exit code ${code}`;
      log(`${current.name} ended (${how}); starting it again in ${backoffMs / 1000} s`);
      for (let isBack = false; !isBack; backoffMs = Math.min(backoffMs * 2, backoffMsMax)) {
        await pause(backoffMs, undefined, { signal: stopping.signal });
        isBack = await startAgain();
      }
    }
  }

  async function startAgain(): Promise<boolean> {
    try {
      current = await start(stopping.signal, current);
      // It may have become ready at the moment of the stop, which only knew the previous one.
      if (stopping.signal.aborted) await current.stop();
      log(`${current.name} is back`);
      return true;
    } catch (error) {
      stopping.signal.throwIfAborted();
      log(reasonOf(error));
      return false;
    }
  }

  const restarting = restartForEver().catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error;
  });
  return {
    get current() {
      return current;
    },
    async stop(graceMs) {
      stopping.abort();
      await Promise.all([current.stop(graceMs), restarting]);
    },
  };
}
