import { ConfigError } from '../config/config.ts';
import type { Logger } from '../telemetry/logger.ts';

/** Whether a parent opened a channel to this process when it started it. */
const watched = process.channel !== undefined;

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Runs `stop` once, on the first SIGINT, SIGTERM or loss of the parent process that watches over this one, then exits. Later signals are
 * ignored: a terminal and npm may both deliver one. The process ends by force when `stop` takes longer than `limit_ms`.
 */
export function stopOnSignal(log: Logger, limit_ms: number, stop: () => Promise<void>): void {
  let stopping = false;
  const once = (reason: string) => {
    if (stopping) return;
    stopping = true;
    log.info({ reason }, 'stopping');
    setTimeout(() => {
      log.error({ limit_ms }, 'did not stop in time');
      process.exit(1);
    }, limit_ms).unref();
    stop().then(
      () => {
        log.info('stopped');
        process.exit(0);
      },
      (error: unknown) => {
        log.error({ err: error }, 'could not stop cleanly');
        process.exit(1);
      },
    );
  };
  for (const signal of SIGNALS) process.on(signal, () => once(signal));
  // The channel to a parent that watches over this process; it may be gone already.
  if (watched && !process.connected) once('parent gone');
  else if (watched) process.once('disconnect', () => once('parent gone'));
}

/** Runs a process's start-up; one clear message and exit code 1 where it fails. */
export async function startOrExit(start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    // Not through a logger: where the configuration is wrong there is none.
    process.stderr.write(
      `${error instanceof ConfigError ? error.message : ((error as Error).stack ?? String(error))}\n`,
    );
    process.exit(1);
  }
}
