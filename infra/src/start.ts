/** `npm start`: runs the whole service on this machine until SIGINT or SIGTERM. */
import { fileURLToPath } from 'node:url';
import { readCommandLine } from '@flash-sale/shared/platform/process/command-line.ts';
import { dataDirOfCheckout } from './stack/command.ts';
import { startCommand } from './stack/start-command.ts';

await readCommandLine({
  usage: 'npm start',
  summary: 'Runs the whole service on this machine until SIGINT or SIGTERM. Settings come from the environment.',
});

const main = (name: string) => fileURLToPath(new URL(`../../packages/${name}/src/main.ts`, import.meta.url));

await startCommand({
  dataDir: dataDirOfCheckout,
  mains: { api: main('api'), worker: main('worker') },
});
