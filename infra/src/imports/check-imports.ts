import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { importsIn, roomsOf, wrongImports } from './import-rules.ts';

const ROOT = join(import.meta.dirname, '../../..');
const PAGE = 'docs/architecture.md';

/**
 * Part of `npm run lint`: fails if an import goes against the order of rooms that the page
 * declares. Oxlint finds cycles.
 */
const problems = wrongImports(importsIn(ROOT), roomsOf(readFileSync(join(ROOT, PAGE), 'utf8')));
for (const problem of problems) console.error(problem);
if (problems.length > 0) {
  console.error(`Imports go one way: see "Rooms" in ${PAGE}.`);
  process.exitCode = 1;
}
