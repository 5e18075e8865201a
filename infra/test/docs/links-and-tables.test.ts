import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { PAGES, readPage } from './pages.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
/** The anchors of a page's headings, as they are linked to. */
const anchorsOf = (page: string): string[] =>
  [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

function leadsSomewhere(page: string, link: string): boolean {
  const [file, anchor] = link.split('#') as [string, string?];
  const path = file === '' ? page : join(dirname(page), file);
  return existsSync(join(ROOT, path)) && (anchor === undefined || anchorsOf(readPage(path)).includes(anchor));
}

/** The lines of a page outside its blocks of code. */
const linesOf = (page: string): string[] =>
  readPage(page)
    .replaceAll(/```[^]*?```/g, '')
    .split('\n');

/** Chinese characters are twice as wide, and a program writes the figures. */
const WRAPPED_PAGES = PAGES.filter((page) => !page.endsWith('.zh-CN.md') && page !== 'docs/performance.md');

const SCRIPTS = Object.keys((JSON.parse(readPage('package.json')) as { scripts: Record<string, string> }).scripts);

describe.each(PAGES)('%s', (page) => {
  it('links only to pages and headings that exist', () => {
    const links = [...readPage(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
    const within = links.filter((link) => !/^https?:/.test(link));
    expect(within.filter((link) => !leadsSomewhere(page, link))).toEqual([]);
  });

  it('has only whole rows in its tables: a row that is wrapped ends the table', () => {
    const lines = linesOf(page);
    const broken = lines.filter(
      (line, i) => line.startsWith('|') && !(line.endsWith('|') && /^(\||$)/.test(lines[i + 1] ?? '')),
    );
    expect(broken).toEqual([]);
  });

  it('begins with its title', () => {
    expect(readPage(page)).toMatch(/^# \S/);
  });

  it('names only scripts that exist', () => {
    const named = [...readPage(page).matchAll(/npm run (?:--silent )?([a-z]+(?::[a-z]+)?)/g)].map(([, name]) => name!);
    expect(named.filter((name) => !SCRIPTS.includes(name))).toEqual([]);
  });
});

test.each(WRAPPED_PAGES)('%s wraps its text at 100 characters', (page) => {
  expect(linesOf(page).filter((line) => line.length > 100 && /\s/.test(line) && !/^(\||!\[)/.test(line))).toEqual([]);
});

test('CONTRIBUTING says of every script what it does', () => {
  const [, section] = /## Scripts\n([^]*?)\n## /.exec(readPage('.github/CONTRIBUTING.md'))!;
  const rows = section!.split('\n').filter((line) => line.startsWith('|'));
  const said = new Set([...rows.join('\n').matchAll(/`(?:run )?([a-z]+(?::[a-z]+)?)`/g)].map(([, name]) => name));
  const byThemselves = /^pre/;
  expect(SCRIPTS.filter((name) => !byThemselves.test(name) && !said.has(name))).toEqual([]);
});
