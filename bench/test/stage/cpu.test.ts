import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { machineCpu, othersCores } from '../../stage/cpu.ts';

const BURNT_MS = 200;
/**
 * Uses CPU time, says so, and lives on: the kernel forgets the time of a process that has ended.
 */
const PROGRAM = `
  while (process.cpuUsage().user < ${BURNT_MS} * 1_000);
  console.log('burnt');
  process.stdin.resume().on('end', () => process.exit());`;

/**
 * Returns what the machine spent while a program used CPU time, and which part of it counts as that
 * of the children of this process.
 */
async function whileBurning(command: string, args: readonly string[]) {
  const usedBefore = process.cpuUsage();
  const before = machineCpu()!;
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  onTestFinished(() => void child.stdin.end());
  await once(child.stdout, 'data');
  const after = machineCpu()!;
  const { user, system } = process.cpuUsage(usedBefore);
  return { before, after, childrenMs: (after.ownUs - before.ownUs - user - system) / 1_000 };
}

test.runIf(process.platform === 'linux')(
  'a child counts as a part of the run, any other program does not',
  async () => {
    const child = await whileBurning(process.execPath, ['-e', PROGRAM]);
    expect(child.childrenMs).toBeGreaterThan(BURNT_MS / 2);

    const other = await whileBurning('sh', ['-c', '"$0" -e "$1"; true', process.execPath, PROGRAM]);
    expect(other.childrenMs).toBeLessThan(BURNT_MS / 2);
    const othersMs = othersCores(other.before, other.after) * (other.after.atMs - other.before.atMs);
    expect(othersMs).toBeGreaterThan(BURNT_MS * 0.9);
  },
);

test('time that no process of the run used is that of others, and is never negative', () => {
  const before = { allUs: 5_000_000, ownUs: 1_000_000, atMs: 1_000 };
  expect(othersCores(before, { allUs: 9_000_000, ownUs: 3_000_000, atMs: 5_000 })).toBe(0.5);
  expect(othersCores(before, { allUs: 6_000_000, ownUs: 3_000_000, atMs: 5_000 })).toBe(0);
});
