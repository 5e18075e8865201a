import { fileURLToPath } from 'node:url';
import { exitProcess } from '@flash-sale/shared/platform/process/exit.ts';
import { reasonOf, StartFailure } from '../services/start-failure.ts';

/** The folder of `npm start` for everything: data, logs, records and secrets. */
export const dataDirOfCheckout = fileURLToPath(new URL('../../../.data', import.meta.url));

export const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/**
 * Runs a command to its end and ends the process: exit code 0, or 1 with the failure as one message
 * on stderr. It prints no stack trace: the user of `npm start` did not write the program.
 */
export async function runCommand(main: () => Promise<void>): Promise<never> {
  // If the reader ends (`npm start | head`), the supervisor of the servers must not end with it.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  try {
    await main();
    return await exitProcess(0);
  } catch (error) {
    process.stderr.write(`\n${reasonOf(error)}\n`);
    return exitProcess(1);
  }
}

/**
 * Aborted by SIGINT, SIGTERM or the loss of the terminal. Both npm and the terminal may send one.
 */
export function stopSignal(): AbortSignal {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => stopping.abort(new StartFailure('stopped')));
  }
  return stopping.signal;
}
