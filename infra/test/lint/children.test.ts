import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');
const files = globSync('{packages/*,infra,bench}/{test,testing}/**/*.ts', { cwd: ROOT });
/** The files with a text that fits. */
const having = (pattern: RegExp): string[] =>
  files.filter((file) => pattern.test(readFileSync(join(ROOT, file), 'utf8')));

test('every file of a test is read', () => {
  expect(files.length).toBeGreaterThan(300);
});

// Vitest waits for the end of the output of each of its processes, without a time limit.
test('no test gives its own output to a process that it starts: one that was left behind kept a whole run open', () => {
  expect(having(/["']inherit["']|process\.std(out|err)\b/)).toEqual([]);
});

// No time limit of a test ends a call that blocks the process of the test.
test('every call that waits for another process without returning has a time limit', () => {
  expect(having(/(execFileSync|spawnSync)\((?![^;]*\btimeout: )/)).toEqual([]);
});
