/**
 * `node clean-up-process.ts <data folder>`: waits until its standard input ends, because the
 * starting process closed it or died. Then it ends every server recorded in the folder and deletes
 * the folder.
 */
import { rmSync } from 'node:fs';
import { finished } from 'node:stream/promises';
import { endRecorded } from './run-records.ts';

const [dataDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error('usage: clean-up-process.ts <data folder>');

await finished(process.stdin.resume());
await endRecorded(dataDir);
rmSync(dataDir, { recursive: true, force: true });
