/** `node start.ts <data folder>`: the start command, with the stubs in place of api and worker. */
import { join } from 'node:path';
import { startCommand } from '../../src/stack/start-command.ts';

const [dataDir = ''] = process.argv.slice(2);
const stub = (name: string) => join(import.meta.dirname, `${name}.ts`);

await startCommand({ dataDir, mains: { api: stub('api'), worker: stub('worker') } });
