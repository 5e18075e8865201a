import { globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';

const SHARED = 'packages/shared/src/';
/** Names the types of what its columns hold, which are those of features. */
const ROW_TYPES = 'packages/shared/src/platform/mysql/schema.ts';

/** An import, of types too: both files as paths from the root of the repository. */
export interface Import {
  readonly from: string;
  readonly to: string;
}

/** Every import of one file of the repository by another one. */
export function importsIn(root: string): Import[] {
  const files = globSync('{packages/*,infra,bench}/**/*.ts', {
    cwd: root,
    exclude: ['**/node_modules/**'],
  });
  return files.flatMap((from) => {
    const { resolve } = createRequire(join(root, from));
    return specifiersIn(readFileSync(join(root, from), 'utf8'))
      .filter((specifier) => /^(\.|@flash-sale\/)/.test(specifier))
      .map((specifier) => ({ from, to: relative(root, resolve(specifier)) }));
  });
}

/** What a file imports or exports again, by name; also what a call imports later. */
export function specifiersIn(text: string): string[] {
  const all = text.matchAll(
    /^(?:import|export|\}) (?:[^'\n]* )?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm,
  );
  return [...all].map((found) => found.slice(1).find((specifier) => specifier !== undefined)!);
}

/** The rooms of shared in the order in which a page declares them: `` `platform` ← `sale` ← … `` */
export function roomsOf(page: string): string[] {
  const [declared = ''] = /^`platform` ←.*?(?=\n\n)/ms.exec(page) ?? [];
  return [...declared.matchAll(/`([^`]+)`/g)].map(([, room]) => room!);
}

/**
 * A sentence for each import that goes against the order of the rooms, or into the tests of another
 * package.
 */
export function wrongImports(imports: readonly Import[], rooms: readonly string[]): string[] {
  const problems = new Set<string>();
  for (const { from, to } of imports) {
    if (isTest(to) && packageOf(from) !== packageOf(to)) {
      problems.add(`${from} imports ${to}: what another package's tests need belongs in testing/`);
    }
    if (/^packages\/\w+\/src\//.test(from) && (isTest(to) || to.includes('/testing/'))) {
      problems.add(`${from} imports ${to}: the service does not import what is for tests`);
    }
    if (!from.startsWith(SHARED)) continue;
    const own = rooms.indexOf(roomOf(from));
    if (own === -1) problems.add(`${from} is in no declared room`);
    if (own === -1 || !to.startsWith(SHARED) || from === ROW_TYPES) continue;
    const other = rooms.indexOf(roomOf(to));
    if (other === -1 || other > own) problems.add(`${from} imports ${to}, whose room is not declared before its own`);
  }
  return [...problems];
}

const isTest = (path: string): boolean => /^(?:packages\/)?\w+\/test\//.test(path);
const packageOf = (path: string): string => /^(?:packages\/)?\w+/.exec(path)![0];
const roomOf = (path: string): string => path.slice(SHARED.length).split('/', 1)[0]!;
