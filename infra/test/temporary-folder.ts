import { onTestFinished } from 'vitest';
import { openOwnFolder } from '@flash-sale/shared/testing/own-folder.ts';

/** A data folder for one test. Whatever still runs from it after the test is ended. */
export function temporaryFolder(): string {
  // A blank in the name, as people have them in their paths.
  const { dataDir, close } = openOwnFolder('own ');
  onTestFinished(close);
  return dataDir;
}
