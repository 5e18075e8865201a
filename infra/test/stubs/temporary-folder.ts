/**
 * `node temporary-folder.ts`: starts a process from a folder in a temporary folder, reports both on
 * standard output, and waits.
 */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { launch } from '../../src/services/launch.ts';
import { processIdentity } from '../../src/services/process-identity.ts';
import { temporaryFolder } from '../../src/services/temporary-folder.ts';

const { path } = temporaryFolder('stub');
const { pid } = await launch({
  name: 'waiting',
  kind: 'server',
  dataDir: mkdtempSync(join(path, 'own-')),
  program: process.execPath,
  args: ['-e', 'setInterval(() => {}, 1e6)'],
});
console.log(JSON.stringify({ path, pid, identity: processIdentity(pid) }));
