import { renameSync, writeFileSync } from 'node:fs';

/**
 * Writes a file that only its owner can read: to another name first, then renamed. So no reader
 * ever sees a partial file, even after a kill.
 */
export function writeWholeFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
