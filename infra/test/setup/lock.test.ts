import { existsSync, mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { takeSetupLock } from '../../src/setup/lock.mjs';
import { temporaryFolder } from '../temporary-folder.ts';

const nobodyWaits = () => expect.fail('waits');

it('lets a second setup wait until the first is done', async () => {
  const root = temporaryFolder();
  const release = await takeSetupLock(root, nobodyWaits);
  const onWait = vi.fn<() => void>();
  let isReleased = false;
  const second = takeSetupLock(root, onWait).then((releaseSecond) => {
    releaseSecond();
    return isReleased;
  });
  await vi.waitFor(() => expect(onWait).toHaveBeenCalledOnce());
  isReleased = true;
  release();
  expect(await second).toBe(true);
});

it('takes over the lock of a setup that was killed', async () => {
  const root = temporaryFolder();
  const path = join(root, 'node_modules/.setup.lock');
  mkdirSync(join(root, 'node_modules'));
  writeFileSync(path, '');
  utimesSync(path, new Date(0), new Date(0));
  const release = await takeSetupLock(root, () => {});
  expect(existsSync(path)).toBe(true);
  release();
  expect(existsSync(path)).toBe(false);
});

it('is still held after node_modules was deleted', async () => {
  const root = temporaryFolder();
  const release = await takeSetupLock(root, nobodyWaits);
  rmSync(join(root, 'node_modules'), { recursive: true });
  expect(release).not.toThrow();
});
