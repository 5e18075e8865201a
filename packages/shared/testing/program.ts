import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { signalGroup } from '../../../infra/src/services/run-records.ts';
import { COMPILE_CACHE } from '../../../infra/src/test-context.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** What a program printed, and its exit code. */
export interface Ran {
  readonly said: string;
  readonly complained: string;
  readonly code: number | null;
}

/**
 * Runs a program of this repository to its end, with this environment only. It ends with the test
 * at the latest, with all that it has started. A concurrent test passes its own `onTestFinished`.
 */
export async function runProgram(
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
  whenFinished: typeof onTestFinished = onTestFinished,
): Promise<Ran> {
  const child = spawn(process.execPath, command, {
    cwd: ROOT,
    env: { ...COMPILE_CACHE, PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let hasEnded = false;
  whenFinished(() => {
    if (!hasEnded) signalGroup(child.pid!, 'SIGKILL');
  });
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const [said, complained, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  hasEnded = true;
  return { said, complained, code };
}
