import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { runTool } from '../services/package-manager.ts';
import { findMysqlProgram, findRedisProgram } from '../services/programs.ts';
import { StartFailure } from '../services/start-failure.ts';
import { checkMachine, downloadPackages, type ArchiveOptions } from './archive.ts';
import type { DebianServer } from './catalog.ts';
import { writeWrapper } from './wrapper.ts';

/** A server that is there: its programs are in `bin`. */
export interface ProvidedServer {
  readonly bin: string;
  readonly version: string;
}

/** The folder of all downloaded servers, under the folder of everything else. */
export const serversFolder = (dataDir: string): string => join(dataDir, 'servers');

/** The server if it was downloaded before and runs. */
export function findProvided(name: string, dataDir: string): ProvidedServer | undefined {
  const bin = join(serversFolder(dataDir), name, 'bin');
  if (!existsSync(bin)) return undefined;
  const found = findMysqlProgram([bin]) ?? findRedisProgram([bin]);
  return found && { bin, version: found.version };
}

/**
 * Downloads a server into a folder of its own, unless it is there. The folder has its name only
 * when it is complete.
 *
 * @throws StartFailure if this machine cannot download it, or the downloaded programs do not run
 */
export async function provideServer(
  name: string,
  { packages, programs, suite }: DebianServer,
  options: ArchiveOptions,
): Promise<ProvidedServer> {
  const { dataDir, log } = options;
  const found = findProvided(name, dataDir);
  if (found !== undefined) return found;
  checkMachine(options);
  const folder = serversFolder(dataDir);
  const home = join(folder, name);
  const unfinished = `${home}.unfinished`;
  for (const path of [unfinished, home]) rmSync(path, { recursive: true, force: true });
  const downloads = join(unfinished, 'downloads');
  mkdirSync(downloads, { recursive: true });
  const listsFolder = join(folder, `lists-${suite}`);
  const files = await downloadPackages(packages, { suite, folder: downloads, listsFolder }, options);
  const root = join(unfinished, 'root');
  log(`unpacking ${files.length} packages`);
  for (const file of files) {
    await runTool({ ...options, log: () => {} }, 'dpkg-deb', ['--extract', file, root]);
  }
  // MariaDB's system tables are looked for beside the folder of its program.
  symlinkSync(join('root', 'usr', 'share'), join(unfinished, 'share'));
  for (const program of programs) writeWrapper(unfinished, home, program);
  rmSync(downloads, { recursive: true });
  renameSync(unfinished, home);
  const provided = findProvided(name, dataDir);
  if (provided === undefined) throw new StartFailure(`the downloaded programs in ${join(home, 'bin')} do not run`);
  return provided;
}

/** `PATH` with the programs of these servers first. */
export const pathWith = (servers: readonly ProvidedServer[], path = ''): string =>
  [...servers.map(({ bin }) => bin), ...(path === '' ? [] : [path])].join(':');
