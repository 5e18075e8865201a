import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const ROOT = new URL('../../../', import.meta.url);
const PACKAGES = new Set(['api', 'shared', 'worker']);

interface Quote {
  readonly file: string;
  /** The quoted titles of its tests; none if the whole file is meant. */
  readonly titles: readonly string[];
}

/** The test files that a page names, each with the titles in double quotes that follow it. */
function quotesIn(page: string): Quote[] {
  const [, ...parts] = page.split(/`((?:api|shared|worker|infra|bench)\/[\w./-]+\.test\.ts)`/);
  const quotes: Quote[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const [room] = parts[i]!.split('/', 1);
    const file = PACKAGES.has(room!) ? `packages/${parts[i]}` : parts[i]!;
    const [following] = parts[i + 1]!.split(/\n- |\n\n|\|/, 1);
    const titles = [...following!.matchAll(/"([^"]+)"/g)].map(([, title]) => title!.replaceAll(/\s+/g, ' '));
    quotes.push({ file, titles });
  }
  return quotes;
}

const pages = readdirSync(new URL('docs/', ROOT)).filter((name) => name.endsWith('.md'));
const quoting = pages
  .map((name) => ({ name, quotes: quotesIn(readFileSync(new URL(`docs/${name}`, ROOT), 'utf8')) }))
  .filter(({ quotes }) => quotes.length > 0);

it('the promises are held by tests', () => {
  expect(quoting.map(({ name }) => name)).toContain('promises.md');
});

describe.each(quoting)('the tests that docs/$name names', ({ quotes }) => {
  it('exist, by their titles', () => {
    const missing = quotes.flatMap(({ file, titles }) => {
      if (!existsSync(new URL(file, ROOT))) return [file];
      const source = readFileSync(new URL(file, ROOT), 'utf8').replaceAll("\\'", "'");
      return titles.filter((title) => !source.includes(title)).map((title) => `${file}: ${title}`);
    });
    expect(missing).toEqual([]);
  });
});
