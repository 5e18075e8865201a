import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder under the system's temporary one. */
export interface TemporaryFolder {
  readonly path: string;
  /** Ends what was started in it, and deletes it. */
  readonly close: () => Promise<void>;
}

/**
 * Makes a folder that is deleted, with everything that was started in it ended, once this process is gone, however it went: a process of its own
 * waits for the end of a pipe that only this one holds open.
 */
export function temporaryFolder(name: string): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), `flash-sale-${name}-`));
  const program = join(import.meta.dirname, 'clean-up-process.ts');
  const child = spawn(process.execPath, [program, path], { detached: true, stdio: ['pipe', 'ignore', 'inherit'] });
  const ended = once(child, 'exit');
  // A run that ends without closing must not wait for this process, which waits for that end.
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
