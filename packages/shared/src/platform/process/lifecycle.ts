import { ConfigError } from '../config/config.ts';
import type { Logger } from '../telemetry/logger.ts';
import { onEndRequest } from './end-requests.ts';
import { exitProcess } from './exit.ts';
import { serverFault } from './server-fault.ts';

/**
 * Runs `stop` once, on the first request to end, then exits. If `stop` takes longer than
 * `limitMs`, the process is ended by force.
 */
export function stopOnRequest(log: Logger, limitMs: number, stop: () => Promise<void>): void {
  let stopping = false;
  onEndRequest((reason) => {
    if (stopping) return;
    stopping = true;
    log.info({ reason }, 'stopping');
    setTimeout(() => {
      log.error({ limit_ms: limitMs }, 'did not stop in time');
      void exitProcess(1);
    }, limitMs).unref();
    void stop()
      .then(
        () => log.info('stopped'),
        (error: unknown) => {
          log.error({ err: error }, 'could not stop cleanly');
          process.exitCode = 1;
        },
      )
      .then(() => exitProcess());
  });
}

/** Runs the start of a process, or a command. If it fails, exits with one clear message. */
export async function startOrExit(start: () => Promise<void>): Promise<void> {
  await start().catch(exitWith);
}

/**
 * Exits with code 1 and prints one clear message. Only an error that is no fault of a setting or a
 * server has a stack trace.
 */
export async function exitWith(error: unknown): Promise<never> {
  // Not through a logger: there is none if the configuration is wrong.
  process.stderr.write(`${reasonOf(error)}\n`);
  return exitProcess(1);
}

function reasonOf(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  return serverFault(error) ?? (error as Error).stack ?? String(error);
}
