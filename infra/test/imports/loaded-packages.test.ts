import { readFileSync } from 'node:fs';
import { createRequire, stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { specifiersIn } from '../../src/imports/import-rules.ts';

const ROOT = join(import.meta.dirname, '../../..');
const LIFECYCLE = 'packages/shared/src/platform/process/lifecycle.ts';

/**
 * What these files load when they are loaded: not what only types name, nor what a call loads
 * later.
 */
function loadedBy(...entries: readonly string[]): string[] {
  const files = new Set(entries.map((entry) => join(ROOT, entry)));
  const others = new Set<string>();
  for (const file of files) {
    const { resolve } = createRequire(file);
    const text = stripTypeScriptTypes(readFileSync(file, 'utf8')).replaceAll(/\bimport\('[^']+'\)/g, '');
    for (const specifier of specifiersIn(text)) {
      if (/^(\.|@flash-sale\/)/.test(specifier)) files.add(resolve(specifier));
      else others.add(specifier);
    }
  }
  return [...others].toSorted();
}

const isPackage = (name: string): boolean => !name.startsWith('node:');

it.each([
  ['ops', ['infra/src/ops/main.ts'], ['string-width']],
  ['npm run ops, audit and migrate', ['infra/src/service-command.ts'], ['ipaddr.js', 'lru-cache']],
  [
    'migrate',
    ['packages/shared/src/platform/mysql/migrate.ts', LIFECYCLE],
    ['ipaddr.js', 'kysely', 'kysely/migration', 'lru-cache', 'mysql2'],
  ],
])('%s starts fast: it loads only the packages that it uses', (_, entries, packages) => {
  expect(loadedBy(...entries).filter(isPackage)).toEqual(packages);
});

it.each([
  ['worker', /^(typebox|fastify|@fastify\/.*|jose|stripe|@opentelemetry\/.*)$/],
  ['api', /^(jose|stripe|amaro|es-module-lexer|@opentelemetry\/.*)$/],
])('%s starts fast: it loads later, if at all, what not every process uses', (name, rare) => {
  const loaded = loadedBy(`packages/${name}/src/start.ts`, LIFECYCLE);
  expect(loaded).toContain('kysely');
  expect(loaded.filter((each) => rare.test(each))).toEqual([]);
  // An import of it loads `fetch`, too: see platform/node-http.ts.
  expect(loaded).not.toContain('node:http');
});
