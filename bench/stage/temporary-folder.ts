import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A folder under the system's temporary one, deleted with everything that was started in it when this process is gone, however it went. */
export interface TemporaryFolder {
  readonly path: string;
  readonly close: () => Promise<void>;
}

/** @param name what runs in it, such as `chaos` */
export function temporaryFolder(name: string): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), `flash-sale-${name}-`));
  const program = fileURLToPath(import.meta.resolve('@flash-sale/infra/services/clean-up-process.ts'));
  const child = spawn(process.execPath, [program, path], { detached: true, stdio: ['pipe', 'ignore', 'inherit'] });
  const ended = once(child, 'exit');
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
