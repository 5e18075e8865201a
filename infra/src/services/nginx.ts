import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unpackDebianPackage } from './package-manager.ts';
import { isExecutable, searchFolders } from './programs.ts';
import { StartFailure } from './start-failure.ts';

/**
 * The program of nginx: that of the machine, else that of Debian's package, unpacked under
 * `dataDir`, since installing it would start a system service.
 *
 * @throws StartFailure if it is not available
 */
export async function findNginx(dataDir: string, log: (line: string) => void): Promise<string> {
  const folders = searchFolders(process.env);
  const found = nginxIn(folders);
  if (found !== undefined) return found;
  const folder = join(dataDir, 'nginx-package');
  const unpacked =
    (await unpackDebianPackage('nginx', folder, { folders, dataDir, env: process.env, log })) &&
    nginxIn([join(folder, 'usr/sbin')]);
  if (!unpacked) throw new StartFailure('nginx was not found: install it, or use a machine with apt-get');
  return unpacked;
}

const nginxIn = (folders: readonly string[]): string | undefined =>
  folders.map((folder) => join(folder, 'nginx')).find(isExecutable);

/**
 * Writes a configuration with all files in `folder`, for `nginx -p folder -c path`. `server` is the
 * content of its only server block.
 */
export function writeNginxConfig(folder: string, server: string): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `  ${kind}_temp_path ${join(folder, kind)};`,
  );
  writeFileSync(
    path,
    `daemon off;
worker_processes 1;
pid ${join(folder, 'nginx.pid')};
error_log stderr warn;
events {}
http {
  access_log off;
${temporary.join('\n')}
  server {
${server}
  }
}
`,
  );
  return path;
}
