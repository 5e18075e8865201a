import { createInterface } from 'node:readline/promises';
import { UsageError } from '@flash-sale/shared/platform/process/command-line.ts';

/** The user declined: nothing was done. */
export class Declined extends Error {}

/**
 * Asks for confirmation of an action that cannot be undone. Without a terminal, `--yes` is
 * required.
 *
 * @param what a sentence about the action, with the number or the names of what it affects
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
