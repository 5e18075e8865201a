/**
 * `node clean-up-process.ts <data folder>`: waits until its standard input ends, because the
 * starting process closed it or died. Then it ends every server recorded in the folder or in a
 * folder directly in it, and deletes the folder.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { endRecorded } from './run-records.ts';

const [dataDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error('usage: clean-up-process.ts <data folder>');

await finished(process.stdin.resume());
const folders = [dataDir, ...readdirSync(dataDir).map((name) => join(dataDir, name))];
await Promise.all(folders.map((folder) => endRecorded(folder)));
rmSync(dataDir, { recursive: true, force: true });
