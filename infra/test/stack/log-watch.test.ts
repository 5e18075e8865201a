import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { noteworthy, watchLogs } from '../../src/stack/log-watch.ts';
import { temporaryFolder } from '../temporary-folder.ts';

test.each([
  ['{"level":"info","msg":"started"}', undefined],
  ['{"level":"warn","msg":"appendfsync is not always"}', 'warn appendfsync is not always'],
  ['{"level":"error","msg":"lost","err":{"message":"ECONNRESET"}}', 'error lost: ECONNRESET'],
  ['TypeError: x is not a function', 'TypeError: x is not a function'],
  ['', undefined],
])('of the log line %s is shown: %s', (line, shown) => {
  expect(noteworthy(line)).toBe(shown);
});

/** Watches the log of `api-1`, which holds an old warning already. */
function watched() {
  const folder = temporaryFolder();
  const file = join(folder, 'api-1.log');
  writeFileSync(file, '{"level":"warn","msg":"of an earlier run"}\n');
  const shown: string[] = [];
  const logs = watchLogs({ folder, names: ['api-1'], show: (line) => shown.push(line) });
  onTestFinished(() => logs.stop());
  return { file, shown, logs };
}

test('warnings are shown from the last position in the log, also those from before the start', async () => {
  const { file, shown, logs } = watched();
  appendFileSync(file, '{"level":"warn","msg":"while starting"}\n');
  logs.start();
  appendFileSync(file, '{"level":"info","msg":"nothing"}\n{"level":"error","msg":"in ');
  appendFileSync(file, 'two parts"}\n');
  await vi.waitFor(() => expect(shown).toEqual(['api-1: warn while starting', 'api-1: error in two parts']));
});

test('of a thousand warnings twenty are shown, and then the place of the others', async () => {
  const { file, shown, logs } = watched();
  logs.start();
  appendFileSync(file, '{"level":"warn","msg":"again"}\n'.repeat(1_000));
  await vi.waitFor(() => expect(shown.at(-1)).toMatch(/^more such lines are in /));
  expect(shown).toHaveLength(21);
});
