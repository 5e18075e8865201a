import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { signalGroup } from '../../src/services/run-records.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const RUN = join(import.meta.dirname, '../../run.sh');

/** Runs a command as an npm script does, with a setup of the test's own. */
function run(setup: string, ...command: readonly string[]) {
  const root = temporaryFolder();
  mkdirSync(join(root, 'bin'));
  const program = join(root, 'bin/setup');
  writeFileSync(program, `#!/bin/sh\n${setup}\n`);
  chmodSync(program, 0o755);
  const child = spawn('sh', [RUN, 'all', ...command], {
    cwd: root,
    env: { PATH: process.env['PATH'], npm_node_execpath: program },
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  });
  // Also a setup that is left behind.
  onTestFinished(() => signalGroup(child.pid!, 'SIGKILL'));
  return child;
}

it('sets up what the script needs, then becomes the command, which has its input and its exit code', async () => {
  const child = run('echo "set up: $*"', 'sh', '-c', 'echo "$0 $$"; cat; exit 7', 'one two');
  child.stdin.end('typed\n');
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  expect(said).toBe(`set up: infra/src/setup/main.mjs all\none two ${child.pid}\ntyped\n`);
  expect(code).toBe(7);
});

it('does not run the command if the setup fails', async () => {
  const child = run('exit 3', 'echo', 'never');
  expect(await Promise.all([text(child.stdout), once(child, 'exit')])).toEqual(['', [3, null]]);
});

it('ends the setup with itself: npm sends a signal to the shell only', async () => {
  // The setup says that it runs, and ends by the signal alone.
  const child = run(`trap 'echo ended; exit 0' TERM; echo running; while :; do sleep 0.05; done`, 'echo', 'never');
  const output: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    if (output.push(part) === 1) child.kill('SIGTERM');
  });
  const closed = once(child.stdout, 'close');
  const [code] = (await once(child, 'exit')) as [number];
  await closed;
  expect(code).toBe(143);
  expect(output.join('')).toBe('running\nended\n');
});
