import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * `start`: what the service needs to run. `all`: also tests, tools and the load generator.
 * @typedef {'start' | 'all'} Scope
 */

/**
 * What the last run of setup has written. It has no hash while an installation is under way.
 * @typedef {{ scope: Scope, hash?: string }} Stamp
 */

/** @type {readonly string[]} */
export const scopes = ['start', 'all'];

/** @param {string} root */
export const stampPath = (root) => join(root, 'node_modules/.setup.json');

/**
 * The scope to install, or undefined if nothing is missing. What is installed never shrinks: pnpm
 * removes the packages that a smaller installation does not name.
 * @param {string} root
 * @param {Scope} wanted
 * @returns {Scope | undefined}
 */
export function scopeToInstall(root, wanted) {
  const stamp = readStamp(root);
  const scope = [wanted, stamp?.scope, scopeKnownToPnpm(root)].includes('all') ? 'all' : 'start';
  const isCurrent = stamp?.scope === scope && stamp.hash === hashOfManifests(root) && isInPlace(root, scope);
  return isCurrent ? undefined : scope;
}

/**
 * What the installed packages depend on. Includes the machine, since some packages are programs
 * and a checkout can be shared with a container.
 * @param {string} root
 */
export function hashOfManifests(root) {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  const manifests = ['.', ...foldersOf(root, 'all')].map((folder) => join(folder, 'package.json'));
  for (const path of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests]) {
    hash.update(`\n${path}\n`).update(readFileSync(join(root, path)));
  }
  return hash.digest('hex');
}

/**
 * The smaller installation trusts the versions of the lock file, which have hashes. The larger one,
 * which tests and checks use, also has pnpm verify how old and how trusted they are.
 * @param {Scope} scope
 */
export const installArguments = (scope) => [
  'install',
  '--frozen-lockfile',
  '--reporter=append-only',
  ...(scope === 'all'
    ? []
    : ['--trust-lockfile', '--prod', '--filter=flash-sale', '--filter=./packages/*', '--filter=./infra']),
];

/**
 * @param {string} root
 * @returns {Stamp | undefined}
 */
function readStamp(root) {
  try {
    return JSON.parse(readFileSync(stampPath(root), 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * A developer may have installed with pnpm itself.
 * @param {string} root
 * @returns {Scope | undefined}
 */
function scopeKnownToPnpm(root) {
  const path = join(root, 'node_modules/.modules.yaml');
  if (!existsSync(path)) return undefined;
  return /"?devDependencies"?: false/.test(readFileSync(path, 'utf8')) ? 'start' : 'all';
}

/**
 * @param {string} root
 * @param {Scope} scope
 */
const isInPlace = (root, scope) =>
  ['node_modules/.bin/node', ...foldersOf(root, scope).map((folder) => join(folder, 'node_modules'))].every((path) =>
    existsSync(join(root, path)),
  );

/**
 * @param {string} root
 * @param {Scope} scope
 */
function foldersOf(root, scope) {
  const packages = readdirSync(join(root, 'packages'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join('packages', entry.name));
  return [...packages, 'infra', ...(scope === 'all' ? ['bench'] : [])];
}
