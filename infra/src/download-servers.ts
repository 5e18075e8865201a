import { exitWithUsage, readCommandLine, UsageError } from '@flash-sale/shared/platform/process/command-line.ts';
import { DEBIAN_SERVERS } from './debian-servers/catalog.ts';
import { findProvided, pathWith, provideServer, type ProvidedServer } from './debian-servers/provide.ts';
import { searchFolders } from './services/programs.ts';
import { dataDirOfCheckout, print, runCommand, stopSignal } from './stack/command.ts';

/**
 * `npm run servers -- mysql redis8`: other servers than those of the machine, from Debian's
 * archive, for any command of the project. Prints the `PATH` that leads to them.
 */
const PROGRAM = {
  usage: 'npm run servers -- [server …]',
  summary: `Downloads servers from Debian's archive into .data/servers, without root and without a change to the system, and prints
the PATH that makes npm start, npm test and the other commands use them. Without a name: lists the servers.
Servers: ${Object.keys(DEBIAN_SERVERS).join(', ')}.`,
  rest: 'server',
};

const { args: names } = await readCommandLine(PROGRAM);
const unknown = names.find((name) => !Object.hasOwn(DEBIAN_SERVERS, name));
if (unknown !== undefined) {
  const known = Object.keys(DEBIAN_SERVERS).join(', ');
  await exitWithUsage(new UsageError(`There is no server '${unknown}'; the servers are ${known}`), PROGRAM.usage);
}

await runCommand(async () => {
  if (names.length === 0) return list();
  const signal = stopSignal();
  const provided: ProvidedServer[] = [];
  for (const name of names) provided.push(await provide(name, signal));
  print(`\nUse them by putting them first on PATH, for example:\n`);
  print(`PATH="${pathWith(provided, '$PATH')}" npm start`);
});

async function provide(name: string, signal: AbortSignal): Promise<ProvidedServer> {
  const provided = await provideServer(name, DEBIAN_SERVERS[name]!, {
    dataDir: dataDirOfCheckout,
    folders: searchFolders(process.env),
    env: process.env,
    log: print,
    signal,
  });
  print(`${name}: version ${provided.version} in ${provided.bin}`);
  return provided;
}

function list(): void {
  for (const [name, { title }] of Object.entries(DEBIAN_SERVERS)) {
    const found = findProvided(name, dataDirOfCheckout);
    print(
      `${name.padEnd(12)} ${title.padEnd(14)} ${found ? `version ${found.version} in ${found.bin}` : 'not downloaded'}`,
    );
  }
}
