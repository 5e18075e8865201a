import { globSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { BROKEN_BUILDS } from '../../../chaos/broken/table.ts';
import { copyBroken, patched } from '../../../chaos/broken/tree.ts';
import { FAULTS } from '../../../chaos/faults/table.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..', '..');

test.each(BROKEN_BUILDS)('the patch of $name fits the code of today exactly once', (build) => {
  const text = readFileSync(join(ROOT, build.file), 'utf8');
  expect(patched(text, build)).not.toBe(text);
});

test('a patch that matches nowhere, or twice, is refused', () => {
  const build = { ...BROKEN_BUILDS[0]!, find: 'here', replace: 'there' };
  expect(patched('it is here', build)).toBe('it is there');
  expect(() => patched('it is gone', build)).toThrow('fits 0 times');
  expect(() => patched('here and here', build)).toThrow('fits 2 times');
});

test('every broken build names faults that exist', () => {
  const names = new Set(FAULTS.map(({ name }) => name));
  expect(BROKEN_BUILDS.flatMap(({ faults }) => faults).filter((fault) => !names.has(fault))).toEqual([]);
});

test('a copy has all packages that its packages import: without a new one, no broken build started', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'flash-sale-broken-')));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const copy = copyBroken(ROOT, join(folder, 'tree'), BROKEN_BUILDS[0]!);
  const imported = globSync('packages/*/node_modules/@flash-sale/*', { cwd: copy });
  expect(imported.length).toBeGreaterThan(1);
  for (const link of imported) expect(realpathSync(join(copy, link))).toMatch(`${copy}/packages/`);
});
