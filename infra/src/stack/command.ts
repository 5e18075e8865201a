import { fileURLToPath } from 'node:url';
import { reasonOf } from '../services/start-failure.ts';

/** Where `npm start` keeps everything: data, logs, records and secrets. */
export const dataDirOfCheckout = fileURLToPath(new URL('../../../.data', import.meta.url));

export const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/**
 * Runs a command to its end and ends the process: exit code 0, or 1 with the failure as one message on
 * stderr. Never a stack trace: whoever types `npm start` did not write the program.
 */
export async function runCommand(main: () => Promise<void>): Promise<never> {
  // A reader that has gone (`npm start | head`) must not take the servers' supervisor with it.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  try {
    await main();
    process.exit(0);
  } catch (error) {
    process.stderr.write(`\n${reasonOf(error)}\n`);
    process.exit(1);
  }
}
