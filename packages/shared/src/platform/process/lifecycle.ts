import { ConfigError } from '../config/config.ts';
import type { Logger } from '../telemetry/logger.ts';
import { serverFault } from './server-fault.ts';

/** Whether a parent process opened a channel to this process at its start. */
const watched = process.channel !== undefined;

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Runs `stop` once, on the first SIGINT, SIGTERM or loss of the parent process, then exits. Later
 * signals are ignored: a terminal and npm may both send one. If `stop` takes longer than
 * `limitMs`, the process is ended by force.
 */
export function stopOnSignal(log: Logger, limitMs: number, stop: () => Promise<void>): void {
  let stopping = false;
  const once = (reason: string) => {
    if (stopping) return;
    stopping = true;
    log.info({ reason }, 'stopping');
    setTimeout(() => {
      log.error({ limit_ms: limitMs }, 'did not stop in time');
      process.exit(1);
    }, limitMs).unref();
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
  // The channel to the parent process; it may be closed already.
  if (watched && !process.connected) once('parent gone');
  else if (watched) process.once('disconnect', () => once('parent gone'));
}

/**
 * Runs the start of a process, or a command. If it fails, exits with code 1 and prints one clear
 * message. Only an error that is no fault of a setting or a server has a stack trace.
 */
export async function startOrExit(start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    // Not through a logger: there is none if the configuration is wrong.
    process.stderr.write(`${reasonOf(error)}\n`);
    process.exit(1);
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  return serverFault(error) ?? (error as Error).stack ?? String(error);
}
