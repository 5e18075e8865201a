/**
 * Deletes from the installed packages what no running process reads: types, TypeScript, source
 * maps, documents (but no licence), tests and examples.
 */
import { existsSync, globSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const STORE = 'node_modules/.pnpm';
const TYPES = /^(@types\+|undici-types@)/;
const UNREAD = /\.(map|[cm]?tsx?|flow|md|markdown)$|^\.(npmignore|editorconfig|eslint|prettier|travis|nycrc|taprc)/i;
const LICENCE = /^(licen[cs]e|notice|copying)/i;
/** At the top of a package only: further down such a name may be a part of the program. */
const FOLDERS = new Set(
  'test tests __tests__ doc docs example examples benchmark benchmarks .github coverage'.split(' '),
);

for (const name of readdirSync(STORE)) {
  if (TYPES.test(name)) rmSync(join(STORE, name), { recursive: true });
}
for (const { name, parentPath } of globSync(`${STORE}/**`, { withFileTypes: true })) {
  const path = join(parentPath, name);
  const isAtTop = /\/node_modules\/(@[^/]+\/)?[^/]+$/.test(parentPath);
  const isUnread = (UNREAD.test(name) && !LICENCE.test(name)) || (isAtTop && FOLDERS.has(name));
  // It may be in a folder that is gone.
  if (isUnread) rmSync(path, { recursive: true, force: true });
  // A link to a package of types.
  else if (!existsSync(path)) rmSync(path, { force: true });
}
