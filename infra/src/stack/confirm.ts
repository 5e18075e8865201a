import { createInterface } from 'node:readline/promises';
import { UsageError } from '@flash-sale/shared/platform/process/command-line.ts';

/** The person at the terminal said no: nothing was done. */
export class Declined extends Error {}

/**
 * Asks before something that cannot be undone. Without a terminal there is nobody to ask: `--yes` has to say it.
 *
 * @param what what is about to be done, as a sentence that names how many or which
 */
export async function confirm(what: string): Promise<void> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new UsageError(
      `${what} This cannot be undone, and there is no terminal to ask for confirmation. Add --yes to do it.`,
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${what}\nThis cannot be undone. Do it? (yes/no) `);
    if (!/^y(es)?$/i.test(answer.trim())) throw new Declined('Nothing was changed.');
  } finally {
    terminal.close();
  }
}
