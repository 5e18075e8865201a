import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder in the system's temporary folder. */
export interface TemporaryFolder {
  readonly path: string;
  /** Ends what was started in it, and deletes it. */
  readonly close: () => Promise<void>;
}

/**
 * Creates a folder that is deleted when this process ends for any reason, after everything that was
 * started in it is ended: a separate process waits for the end of a pipe that only this process
 * holds open.
 */
export function temporaryFolder(name: string): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), `flash-sale-${name}-`));
  const program = join(import.meta.dirname, 'clean-up-process.ts');
  const child = spawn(process.execPath, [program, path], { detached: true, stdio: ['pipe', 'ignore', 'inherit'] });
  const ended = once(child, 'exit');
  // Without `close`, this process must still be able to end: the child waits for that.
  child.unref();
  return {
    path,
    async close() {
      child.ref();
      child.stdin.end();
      await ended;
    },
  };
}
