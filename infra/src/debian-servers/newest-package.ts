import { mkdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { runTool } from '../services/package-manager.ts';
import { StartFailure } from '../services/start-failure.ts';
import { checkMachine, downloadPackages, type ArchiveOptions } from './archive.ts';
import { serversFolder } from './provide.ts';

/**
 * Unpacks the newest version of a package into a folder, without what the package needs: for
 * programs that run on any Debian.
 *
 * @throws StartFailure if this machine cannot download it
 */
export async function unpackNewest(name: string, folder: string, options: ArchiveOptions): Promise<void> {
  checkMachine(options);
  const suite = 'sid';
  const downloads = join(folder, 'downloads');
  mkdirSync(downloads, { recursive: true });
  const listsFolder = join(serversFolder(options.dataDir), `lists-${suite}`);
  const files = await downloadPackages([name], { suite, folder: downloads, listsFolder }, options);
  const file = files.find((path) => basename(path).startsWith(`${name}_`));
  if (file === undefined) throw new StartFailure(`apt-get downloaded no package ${name}`);
  await runTool(options, 'dpkg-deb', ['--extract', file, folder]);
  rmSync(downloads, { recursive: true });
}
