import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { unpackNewest } from '../debian-servers/newest-package.ts';
import { isAtLeast, isExecutable, searchFolders } from './programs.ts';
import { StartFailure } from './start-failure.ts';

/**
 * Older ones do not pass a POST with a body on to another replica if the first took no connection.
 */
const CADDY_VERSION_MIN = '2.11';

/**
 * The program of Caddy: that of the machine if it is new enough, else that of Debian's newest
 * package, unpacked under `dataDir`.
 *
 * @throws StartFailure if it is not available
 */
export async function findCaddy(dataDir: string, log: (line: string) => void): Promise<string> {
  const folders = searchFolders(process.env);
  const folder = join(dataDir, 'caddy-package');
  const find = (): string | undefined =>
    [...folders, join(folder, 'usr/bin')].map((place) => join(place, 'caddy')).find(isNewCaddy);
  const found = find();
  if (found !== undefined) return found;
  await unpackNewest('caddy', folder, { folders, dataDir, env: process.env, log });
  const unpacked = find();
  if (unpacked !== undefined) return unpacked;
  throw new StartFailure(
    `Caddy ${CADDY_VERSION_MIN} or newer was not found: install it, or use a machine with apt-get`,
  );
}

function isNewCaddy(path: string): boolean {
  if (!isExecutable(path)) return false;
  const { stdout } = spawnSync(path, ['version'], { encoding: 'utf8', timeout: 10_000 });
  const version = /^v?(\d[\d.]*)/.exec(stdout ?? '')?.[1];
  return version !== undefined && isAtLeast(version, CADDY_VERSION_MIN);
}
