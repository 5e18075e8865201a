import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { endRecorded } from '../../../infra/src/services/run-records.ts';
import { temporaryFolder, type TemporaryFolder } from '../../../infra/src/services/temporary-folder.ts';

/** A folder for the servers of one test, which also end if the process of the test is killed. */
export interface OwnFolder {
  readonly dataDir: string;
  /** Ends its servers and deletes it. */
  readonly close: () => Promise<void>;
}

/** The folders of all tests that this process runs. */
let all: TemporaryFolder | undefined;

export function openOwnFolder(prefix = 'own-'): OwnFolder {
  all ??= temporaryFolder('tests');
  const dataDir = mkdtempSync(join(all.path, prefix));
  return {
    dataDir,
    async close() {
      await endRecorded(dataDir);
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
