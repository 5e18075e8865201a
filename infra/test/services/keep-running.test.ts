import { expect, test, vi } from 'vitest';
import { keepRunning } from '../../src/services/keep-running.ts';
import { launch, type LaunchedProcess } from '../../src/services/launch.ts';
import { readRunRecords } from '../../src/services/run-records.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const waiting = (dataDir: string) =>
  launch({
    name: 'api-1',
    kind: 'service',
    dataDir,
    program: process.execPath,
    args: ['-e', 'setInterval(() => {}, 1e6)'],
  });

test('a process that dies is started again, and not after a stop', async () => {
  const dataDir = temporaryFolder();
  const lines: string[] = [];
  const start = vi.fn<() => Promise<LaunchedProcess>>(() => waiting(dataDir));
  const kept = await keepRunning({ start, log: (line) => lines.push(line) });
  const first = kept.current;
  first.kill('SIGKILL');
  await vi.waitFor(() => expect(lines.at(-1)).toBe('api-1 is back'), { timeout: 10_000 });
  expect(lines[0]).toBe('api-1 ended (SIGKILL); starting it again in 1 s');
  expect(start).toHaveBeenLastCalledWith(expect.any(AbortSignal), first);
  await kept.stop();
  expect(readRunRecords(dataDir).size).toBe(0);
  expect(start).toHaveBeenCalledTimes(2);
});

test('the caller gets the first failure', async () => {
  const start = () => Promise.reject(new Error('no such program'));
  await expect(keepRunning({ start, log: () => {} })).rejects.toThrow('no such program');
});

test('a process that becomes ready at the moment of a stop is ended too', async () => {
  const dataDir = temporaryFolder();
  let starts = 0;
  const second = Promise.withResolvers<void>();
  const isStarting = Promise.withResolvers<void>();
  const kept = await keepRunning({
    async start() {
      if (++starts === 2) {
        isStarting.resolve();
        await second.promise;
      }
      return waiting(dataDir);
    },
    log: () => {},
  });
  kept.current.kill('SIGKILL');
  await isStarting.promise;
  const stopped = kept.stop();
  second.resolve();
  await stopped;
  expect(readRunRecords(dataDir).size).toBe(0);
});
