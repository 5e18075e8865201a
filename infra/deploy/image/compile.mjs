/**
 * Loads what the programs of the image load, so that Node's compile cache has it: for the user with
 * this id, by which Node names the folder.
 */
import { renameSync } from 'node:fs';
import { flushCompileCache, getCompileCacheDir } from 'node:module';
import { resolve } from 'node:path';

const LOADED = [
  'packages/shared/src/platform/process/command-line.ts',
  'packages/shared/src/platform/process/lifecycle.ts',
  'packages/shared/src/platform/mysql/migrate.ts',
  'packages/api/src/start.ts',
  'packages/api/src/plugins/token-identity.ts',
  'packages/shared/src/payment/stripe.ts',
  'packages/worker/src/start.ts',
];

const [, , userId = ''] = process.argv;
for (const path of LOADED) await import(resolve(path));
flushCompileCache();
const folder = getCompileCacheDir() ?? '';
renameSync(folder, folder.replace(/\d+$/, userId));
