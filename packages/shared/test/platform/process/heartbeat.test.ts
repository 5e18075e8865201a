import { expect, test } from 'vitest';
import { hostname } from 'node:os';
import { heartbeat } from '../../../src/platform/process/heartbeat.ts';
import type { ProcessReport } from '../../../src/platform/process/process-commands.ts';
import { testContext } from '../../../testing/support.ts';

const REPORT: ProcessReport = { kind: 'api', host: 'h', pid: 1, startedAtMs: 0, cpu: 0, busy: 0, memoryBytes: 1 };

const context = await testContext();

const reports = async (): Promise<ProcessReport[]> => [...(await context.commands.processes()).values()];

test('a process says that it lives and how busy it is, and takes itself from the list when it stops', async () => {
  const beating = heartbeat(context.commands, 'worker', context.log);
  beating.start();
  await expect.poll(reports).toHaveLength(1);
  const [report] = await reports();
  expect(report).toMatchObject({ kind: 'worker', host: hostname(), pid: process.pid });
  expect(report!.startedAtMs).toBeLessThanOrEqual(Date.now());
  expect(report!.memoryBytes).toBeGreaterThan(10_000_000);
  for (const part of [report!.cpu, report!.busy]) expect(part).toBeGreaterThanOrEqual(0);
  expect(report!.busy).toBeLessThanOrEqual(1);
  await beating.stop();
  expect(await reports()).toEqual([]);
});

test('two processes of one kind on one machine are two', async () => {
  const both = [heartbeat(context.commands, 'api', context.log), heartbeat(context.commands, 'api', context.log)];
  for (const one of both) one.start();
  await expect.poll(reports).toHaveLength(2);
  for (const one of both) await one.stop();
});

test('a process that died is forgotten when it has said nothing for a while', async () => {
  await context.commands.noteProcess('dead', REPORT, 60_000);
  await expect
    .poll(async () => {
      await context.commands.noteProcess('alive', REPORT, 50);
      return [...(await context.commands.processes()).keys()];
    })
    .toEqual(['alive']);
  await context.commands.forgetProcess('alive');
});

test('a stop does not fail if Redis does not answer', async () => {
  const noRedis = () => Promise.reject(new Error('the connection is closed'));
  const beating = heartbeat({ noteProcess: noRedis, forgetProcess: noRedis }, 'api', { warn: () => undefined });
  beating.start();
  await expect(beating.stop()).resolves.toBeUndefined();
});
