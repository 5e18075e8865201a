import { join } from 'node:path';
import { unpackDebianPackage } from '../services/package-manager.ts';
import { isExecutable, searchFolders } from '../services/programs.ts';
import { StartFailure } from '../services/start-failure.ts';

/** The paths of the two programs. */
export interface PrometheusPrograms {
  readonly prometheus: string;
  readonly promtool: string;
}

/**
 * Prometheus and promtool: those of the machine, else those of Debian's package, unpacked under
 * `dataDir`.
 *
 * @throws StartFailure if they are not available
 */
export async function findPrometheus(dataDir: string, log: (line: string) => void): Promise<PrometheusPrograms> {
  const folders = searchFolders(process.env);
  const found = programsIn(folders);
  if (found !== undefined) return found;
  const folder = join(dataDir, 'prometheus-package');
  const unpacked =
    (await unpackDebianPackage('prometheus', folder, { folders, dataDir, env: process.env, log })) &&
    programsIn([join(folder, 'usr/bin')]);
  if (!unpacked) {
    throw new StartFailure(
      'prometheus and promtool were not found. Install them, or run this on a machine with apt-get',
    );
  }
  return unpacked;
}

function programsIn(folders: readonly string[]): PrometheusPrograms | undefined {
  const find = (program: string) => folders.map((folder) => join(folder, program)).find(isExecutable);
  const [prometheus, promtool] = [find('prometheus'), find('promtool')];
  return prometheus === undefined || promtool === undefined ? undefined : { prometheus, promtool };
}
