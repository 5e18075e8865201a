import { describe, expect, it } from 'vitest';
import { configRows } from '@flash-sale/shared/platform/config/config.ts';
import { FIRST_SETTINGS, settingsTables } from '../../src/docs/settings-tables.ts';
import { codeBlocksOf, readPage } from './pages.ts';

const ENGLISH = 'README.md';
const CHINESE = 'README.zh-CN.md';

/** Headings and prose are translated; these are not. */
const codeSpansOf = (page: string): string[] =>
  [
    ...readPage(page)
      .replaceAll(/```[^]*?```/g, '')
      .matchAll(/`([^`]+)`/g),
  ].map(([, span]) => span!);
const linksOf = (page: string): string[] =>
  [...readPage(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link]) => link!)
    .filter((link) => !link.startsWith('README'));

describe('the Chinese README', () => {
  it('shows the same commands as the English one', () => {
    expect(codeBlocksOf(ENGLISH).length).toBeGreaterThan(3);
    expect(codeBlocksOf(CHINESE)).toEqual(codeBlocksOf(ENGLISH));
    expect(codeSpansOf(CHINESE).toSorted()).toEqual(codeSpansOf(ENGLISH).toSorted());
  });

  it('has the same sections and links, and each leads to the other', () => {
    const levelsOf = (page: string) => [...readPage(page).matchAll(/^#+(?= )/gm)].map(([level]) => level);
    expect(levelsOf(CHINESE)).toEqual(levelsOf(ENGLISH));
    expect(linksOf(CHINESE)).toEqual(linksOf(ENGLISH));
    expect(readPage(ENGLISH)).toContain(`](${CHINESE})`);
    expect(readPage(CHINESE)).toContain(`](${ENGLISH})`);
  });
});

it.each([ENGLISH, CHINESE])('%s has at most 150 lines', (page) => {
  expect(readPage(page).trimEnd().split('\n').length).toBeLessThanOrEqual(150);
});

describe('the tables of settings', () => {
  const settings = configRows();

  it('have each setting once, the ten that matter first', () => {
    const names = [...settingsTables(settings).matchAll(/^\| `([A-Z0-9_]+)` \|/gm)].map(([, name]) => name!);
    expect(names.slice(0, 10)).toEqual(FIRST_SETTINGS);
    expect(names.toSorted()).toEqual(settings.map(({ name }) => name).toSorted());
  });

  it('refuse a setting without a group, and a first setting that does not exist', () => {
    const stray = { name: 'STRAY', default: '', description: 'has no group' };
    expect(() => settingsTables([...settings, stray])).toThrow('STRAY');
    expect(() => settingsTables(settings.filter(({ name }) => name !== 'DB_URL'))).toThrow('DB_URL');
  });
});
