import { expect, it } from 'vitest';
import { Progress } from '../../src/setup/progress.mjs';

const lines = [
  'Scope: 5 of 6 workspace projects',
  '[WARN] a warning of pnpm',
  'Progress: resolved 172, reused 0, downloaded 1, added 0',
  'Progress: resolved 172, reused 0, downloaded 69, added 50',
  'Progress: resolved 172, reused 0, downloaded 172, added 172, done',
  'Progress: resolved 172, reused 0, downloaded 172, added 172, done',
  '.../.pnpm/node@24.21.0/node_modules/node preinstall$ node installArchSpecificPackage',
  '.../.pnpm/node@24.21.0/node_modules/node preinstall: Done',
];

function shown(isTTY: boolean): string {
  let written = '';
  const output = { isTTY, write: (text: string) => (written += text) };
  const progress = new Progress(output, () => 5_000);
  for (const line of lines) progress.read(line);
  progress.say('done in 9 s');
  return written;
}

it('says in a pipe how far it is, not more often than every 3 s, and how it ends', () => {
  expect(shown(false)).toBe(
    [
      'setup: 0 of 172 packages',
      'setup: 172 of 172 packages',
      'setup: downloading Node.js 24.21.0',
      'setup: done in 9 s',
      '',
    ].join('\n'),
  );
});

it('counts packages in one line of a terminal', () => {
  const [counting, ...rest] = shown(true).split('\n');
  expect(counting!.split('\r\u001b[K')).toEqual([
    '',
    'setup: 0 of 172 packages',
    'setup: 50 of 172 packages',
    'setup: 172 of 172 packages',
  ]);
  expect(rest).toEqual(['setup: downloading Node.js 24.21.0', 'setup: done in 9 s', '']);
});
