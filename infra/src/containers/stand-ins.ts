import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { checkMachine, downloadPackages, type ArchiveOptions } from '../debian-servers/archive.ts';
import { serversFolder } from '../debian-servers/provide.ts';
import { runTool } from '../services/package-manager.ts';
import { StartFailure } from '../services/start-failure.ts';
import type { Engine } from './engine.ts';

/** `sid` alone has MySQL. Of the programs, it has the newest versions. */
const SUITE = 'sid';
const SYSTEM = 'base-files bash coreutils dash findutils grep libc-bin libstdc++6 sed util-linux wget'.split(' ');
const SERVERS = [...SYSTEM, 'mysql-server-core', 'mysql-client-core', 'redis-tools', 'caddy', 'prometheus'];
const STAND_INS = ['debian', 'node', 'mysql', 'redis', 'caddy', 'prometheus'] as const;

export type StandIn = (typeof STAND_INS)[number];

/** With its registry: Podman and Docker then both find it by its short name. */
export const standInImage = (name: StandIn): string => `docker.io/library/flash-sale-stand-in-${name}:local`;

/**
 * Builds the stand-ins of `infra/deploy/stand-in` from Debian's packages.
 *
 * @throws StartFailure if this machine cannot download them
 */
export async function buildStandIns(engine: Engine, deployFolder: string, options: ArchiveOptions): Promise<void> {
  checkMachine(options);
  const context = join(options.dataDir, 'containers', 'stand-in');
  rmSync(context, { recursive: true, force: true });
  cpSync(join(deployFolder, 'stand-in'), context, { recursive: true });
  await unpack(SYSTEM, join(context, 'system'), options);
  await unpack(SERVERS, join(context, 'servers'), options);
  copyNode(join(context, 'node'), options.env);
  for (const name of STAND_INS) await engine.build(standInImage(name), ['--target', name, context]);
}

/** Unpacks packages, with all that they need, into a folder that is the root of a system. */
async function unpack(packages: readonly string[], root: string, options: ArchiveOptions): Promise<void> {
  const folder = `${root}.downloads`;
  mkdirSync(folder, { recursive: true });
  const listsFolder = join(serversFolder(options.dataDir), `lists-${SUITE}`);
  const files = await downloadPackages(packages, { suite: SUITE, folder, listsFolder }, options);
  const silent = { ...options, log: () => {} };
  for (const file of files) await runTool(silent, 'dpkg-deb', ['--extract', file, root]);
  rmSync(folder, { recursive: true });
  for (const part of ['doc', 'man', 'locale']) rmSync(join(root, 'usr/share', part), { recursive: true, force: true });
}

/** Node.js and npm as the image `node` has them: the running ones. */
function copyNode(folder: string, env: NodeJS.ProcessEnv): void {
  const { npm_execpath: npm, NODE_EXTRA_CA_CERTS: certificates } = env;
  if (npm === undefined) throw new StartFailure('this copies npm, so it must be run by npm: npm run try:containers');
  for (const part of ['bin', 'lib/node_modules', 'share']) mkdirSync(join(folder, part), { recursive: true });
  cpSync(process.execPath, join(folder, 'bin/node'));
  chmodSync(join(folder, 'bin/node'), 0o755);
  cpSync(dirname(dirname(npm)), join(folder, 'lib/node_modules/npm'), { recursive: true, dereference: true });
  symlinkSync('../lib/node_modules/npm/bin/npx-cli.js', join(folder, 'bin/npx'));
  const text = certificates === undefined ? rootCertificates.join('\n') : readFileSync(certificates, 'utf8');
  writeFileSync(join(folder, 'share/certificates.pem'), text);
}
