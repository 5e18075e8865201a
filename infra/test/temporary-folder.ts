import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { endRecorded } from '../src/services/run-records.ts';

/** A data folder for one test. Whatever still runs from it after the test is ended. */
export function temporaryFolder(): string {
  // A blank in the name, as people have them in their paths.
  const folder = mkdtempSync(join(tmpdir(), 'flash-sale test-'));
  onTestFinished(async () => {
    await endRecorded(folder);
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}
