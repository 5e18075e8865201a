import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Import } from '../imports/import-rules.ts';

/** A file that imports one of these, directly or not, may talk to a Redis or a MySQL. */
const SERVER_MODULES = ['servers', 'mysql', 'redis'].map((name) => `infra/src/services/${name}.ts`);
const SERVERS_OF_THE_RUN = /\binject\(\s*'servers'\s*\)/;

/** The test files that depend on the servers of a run, as paths from the root. */
export function serverTestsIn(root: string, imports: readonly Import[]): string[] {
  const files = globSync('{packages/*,infra,bench}/{test,testing}/**/*.ts', { cwd: root });
  const direct = files.filter((path) => SERVERS_OF_THE_RUN.test(readFileSync(join(root, path), 'utf8')));
  const reached = importersOf([...SERVER_MODULES, ...direct], imports);
  return files.filter((path) => path.endsWith('.test.ts') && reached.has(path)).toSorted();
}

/** These files and all that import them, directly or not. */
export function importersOf(paths: readonly string[], imports: readonly Import[]): Set<string> {
  const importers = Map.groupBy(imports, ({ to }) => to);
  const found = new Set(paths);
  // A set also iterates over what is added meanwhile.
  for (const path of found) for (const { from } of importers.get(path) ?? []) found.add(from);
  return found;
}
