import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { launch } from '../../src/services/launch.ts';
import { processIdentity } from '../../src/services/process-identity.ts';
import { endRecorded, isRunning, readRunRecords, writeRunRecord } from '../../src/services/run-records.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import { temporaryFolder } from '../temporary-folder.ts';

/** A process that only waits, in a group of its own, as everything that is launched. */
async function bystander(): Promise<number> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { detached: true });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'spawn');
  return child.pid ?? 0;
}

test('a process that has the pid of a recorded one is never ended', async () => {
  const dataDir = temporaryFolder();
  const pid = await bystander();
  const identity = processIdentity(pid) ?? '';
  writeRunRecord(dataDir, 'redis', { kind: 'server', pid, identity: `${identity}0` });
  expect(await endRecorded(dataDir)).toEqual([]);
  expect(isRunning({ pid, identity })).toBe(true);
  expect(readRunRecords(dataDir).size).toBe(0);
});

test('a recorded process is ended, by force if it does not listen', async () => {
  const dataDir = temporaryFolder();
  const stubborn = await launch({
    name: 'stubborn',
    kind: 'server',
    dataDir,
    program: process.execPath,
    args: ['-e', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1e6)"],
  });
  expect(await endRecorded(dataDir, 50)).toEqual(['stubborn']);
  expect(await stubborn.exited).toMatchObject({ code: null });
});

test('a frozen process is ended too', async () => {
  const dataDir = temporaryFolder();
  const args = ['-e', 'setInterval(() => {}, 1e6)'];
  const program = process.execPath;
  const frozen = await launch({ name: 'frozen', kind: 'server', dataDir, program, args });
  frozen.kill('SIGSTOP');
  await frozen.stop();
  expect(readRunRecords(dataDir).size).toBe(0);
});

test('services are ended before the servers that they use', async () => {
  const dataDir = temporaryFolder();
  const ends: string[] = [];
  for (const kind of ['server', 'service'] as const) {
    const args = ['-e', 'setInterval(() => {}, 1e6)'];
    const launched = await launch({ name: kind, kind, dataDir, program: process.execPath, args });
    void launched.exited.then(() => ends.push(kind));
  }
  await endRecorded(dataDir);
  await Promise.resolve();
  expect(ends[0]).toBe('service');
});

test('an incomplete record, as after a full disk, prevents nothing', async () => {
  const dataDir = temporaryFolder();
  writeRunRecord(dataDir, 'redis', { kind: 'container', container: 'none' });
  writeFileSync(join(dataDir, 'run', 'redis.json'), '{"kind": "ser');
  expect(await endRecorded(dataDir)).toEqual([]);
});

test('a process from a folder in a temporary folder ends with the process that has made the folder', async () => {
  const maker = spawn(process.execPath, [join(import.meta.dirname, '../stubs/temporary-folder.ts')], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(() => void maker.kill('SIGKILL'));
  const [line] = (await once(createInterface(maker.stdout), 'line')) as [string];
  const { path, ...started } = JSON.parse(line) as { path: string; pid: number; identity: string };
  expect([isRunning(started), existsSync(path)]).toEqual([true, true]);
  maker.kill('SIGKILL');
  await expect.poll(() => [isRunning(started), existsSync(path)], SOON).toEqual([false, false]);
});
