/**
 * Writes into a folder what the installation of an image depends on: the lock file and, of each
 * package.json, the dependencies alone. A changed script or source file then leaves the layer of
 * the installation as it is. The root keeps no `dependencies` here, since pnpm always installs
 * those: they are for a developer, and one is a second Node.
 */
import { cpSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const IDENTITY = ['name', 'version', 'private', 'type'];
const ROOT_DEPENDENCIES_IN_LOCK = /(?<=^ {2}\.:\n) {4}dependencies:\n(?: {6}.*\n)+/m;

const [, , target = ''] = process.argv;

/**
 * @param {string} path
 * @param {readonly string[]} fields
 */
function copyFields(path, fields) {
  const manifest = JSON.parse(readFileSync(path, 'utf8'));
  const kept = Object.fromEntries(fields.filter((name) => name in manifest).map((name) => [name, manifest[name]]));
  mkdirSync(join(target, dirname(path)), { recursive: true });
  writeFileSync(join(target, path), `${JSON.stringify(kept, null, 2)}\n`);
}

copyFields('package.json', [...IDENTITY, 'devDependencies']);
for (const path of globSync('packages/*/package.json'))
  copyFields(path, [...IDENTITY, 'dependencies', 'devDependencies']);
const lock = readFileSync('pnpm-lock.yaml', 'utf8');
if (!ROOT_DEPENDENCIES_IN_LOCK.test(lock)) throw new Error('pnpm-lock.yaml has no dependencies of the root');
writeFileSync(join(target, 'pnpm-lock.yaml'), lock.replace(ROOT_DEPENDENCIES_IN_LOCK, ''));
cpSync('pnpm-workspace.yaml', join(target, 'pnpm-workspace.yaml'));
