/**
 * Loads what the programs of the image load, so that Node's compile cache has it: for the user with
 * this id. Node names the folder by the user, and lets only its own user read the files.
 */
import { chmodSync, readdirSync, renameSync } from 'node:fs';
import { flushCompileCache, getCompileCacheDir } from 'node:module';
import { join, resolve } from 'node:path';

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
for (const name of readdirSync(folder)) chmodSync(join(folder, name), 0o644);
renameSync(folder, folder.replace(/\d+$/, userId));
