import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const PACKAGES = new URL('../../', import.meta.url).pathname;
const PAGE = new URL('../../../docs/clocks.md', import.meta.url);

test('only what docs/clocks.md lists uses a process’s own clock', () => {
  const files = globSync('{shared,api,worker}/{src,migrations}/**/*.ts', { cwd: PACKAGES });
  const readsClock = files.filter((path) => /Date\.now\b|new Date\(\)/.test(readFileSync(PACKAGES + path, 'utf8')));
  const listed = readFileSync(PAGE, 'utf8').matchAll(/^\| `((?:shared|api|worker)\/[^`]+)` \|/gm);
  expect(new Set(readsClock)).toEqual(new Set([...listed].map(([, path]) => path)));
});
