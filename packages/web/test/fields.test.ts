import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const SOURCES = join(import.meta.dirname, '../src');

// Preact sets `value` again each time it draws.
test('a field that nobody follows keeps what is typed: it has a defaultValue and no value', () => {
  const fields = globSync('**/*.ts', { cwd: SOURCES }).flatMap((file) =>
    [...readFileSync(join(SOURCES, file), 'utf8').matchAll(/<input\b.*?\/>/gs)].map(([text]) => ({ file, text })),
  );
  expect(fields.length).toBeGreaterThan(10);
  const forgetful = fields.filter(({ text }) => /\svalue=/.test(text) && !text.includes('onInput='));
  expect(forgetful).toEqual([]);
});
