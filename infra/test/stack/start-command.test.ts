import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test, vi } from 'vitest';
import { readRunRecords } from '../../src/services/run-records.ts';
import { resetStack, stopStack } from '../../src/stack/stop-stack.ts';
import { temporaryFolder } from '../temporary-folder.ts';

interface Start {
  child: ChildProcess;
  said: () => string;
  errors: Promise<string>;
  isReady: () => Promise<void>;
}

/** The start command as a process of its own, with private servers and stubs. */
function start(dataDir: string, env: NodeJS.ProcessEnv = {}): Start {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../stubs/start.ts'), dataDir], {
    env: {
      PATH: process.env['PATH'],
      SERVER_PORT: '0',
      API_OPS_PORT: '0',
      WORKER_OPS_PORT: '0',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  return {
    child,
    said: () => said,
    errors: text(child.stderr),
    isReady: () =>
      vi.waitFor(() => expect(said).toMatch(/^ready http:\/\/localhost:\d+$/m), {
        timeout: 20_000,
      }),
  };
}

test('two SIGINTs end everything that it started, with exit code 0', async () => {
  const dataDir = temporaryFolder();
  const { child, isReady, said } = start(dataDir);
  await isReady();
  expect([...readRunRecords(dataDir).keys()].toSorted()).toEqual(['api-1', 'mysql', 'redis', 'worker-1']);
  child.kill('SIGINT');
  child.kill('SIGINT');
  expect(await once(child, 'exit')).toEqual([0, null]);
  expect(said()).toMatch(/stopping\nstopped\n$/);
  expect(readRunRecords(dataDir).size).toBe(0);
});

test('a SIGTERM before it is ready ends what was started so far', async () => {
  const dataDir = temporaryFolder();
  const { child } = start(dataDir);
  await vi.waitFor(() => expect(readRunRecords(dataDir).size).toBeGreaterThan(0), {
    timeout: 20_000,
  });
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
  expect(readRunRecords(dataDir).size).toBe(0);
});

test('after a SIGKILL the next start ends what was left and gets ready', async () => {
  const dataDir = temporaryFolder();
  const first = start(dataDir);
  await first.isReady();
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');
  const second = start(dataDir);
  await second.isReady();
  expect(second.said()).toMatch(/ended what an earlier run left running: .*mysql, redis/);
  second.child.kill('SIGTERM');
  expect(await once(second.child, 'exit')).toEqual([0, null]);
});

test('a failure is one message without a stack trace, and exit code 1', async () => {
  const { child, errors } = start(temporaryFolder(), { REDIS_ADDR: '127.0.0.1:1' });
  expect(await once(child, 'exit')).toEqual([1, null]);
  expect(await errors).toMatch(/REDIS_ADDR=127\.0\.0\.1:1 does not answer/);
  expect(await errors).not.toMatch(/^\s+at /m);
});

test('stop ends a running start, a second stop does nothing, and reset deletes the folder', async () => {
  const dataDir = temporaryFolder();
  const { child, isReady } = start(dataDir);
  await isReady();
  const lines: string[] = [];
  const exited = once(child, 'exit');
  await stopStack(dataDir, (line) => lines.push(line));
  expect(await exited).toEqual([0, null]);
  expect(lines.at(-1)).toBe('stopped');
  await stopStack(dataDir, (line) => lines.push(line));
  expect(lines.at(-1)).toBe('nothing is running');
  const env = { PATH: process.env['PATH'], REDIS_ADDR: '10.0.0.5:6379' };
  await resetStack(dataDir, env, (line) => lines.push(line));
  expect(existsSync(dataDir)).toBe(false);
  expect(lines.at(-1)).toBe('the Redis given by the environment was not changed');
});
