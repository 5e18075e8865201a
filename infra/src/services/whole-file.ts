import { renameSync, writeFileSync } from 'node:fs';

/**
 * Writes a file that only its owner can read, aside and then renamed: no reader ever sees half of it,
 * not even after a kill in the middle.
 */
export function writeWholeFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
