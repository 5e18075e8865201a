import { closeSync, mkdirSync, openSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

const beatMs = 1_000;

/** A lock that was not touched for this long has lost its process. */
const staleMs = 10_000;

/**
 * Waits until no other process installs into a folder, and holds that until it is released.
 * @param {string} root
 * @param {() => void} onWait called once, if there is something to wait for
 * @returns {Promise<() => void>} releases the lock
 */
export async function takeSetupLock(root, onWait) {
  const path = join(root, 'node_modules/.setup.lock');
  mkdirSync(join(root, 'node_modules'), { recursive: true });
  for (let isFirst = true; !isTaken(path); isFirst = false) {
    if (isFirst) onWait();
    await setTimeout(200);
  }
  const beat = setInterval(() => touch(path), beatMs);
  beat.unref();
  return () => {
    clearInterval(beat);
    rmSync(path, { force: true });
  };
}

/** @param {string} path */
function isTaken(path) {
  try {
    closeSync(openSync(path, 'wx'));
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  const touchedAt = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  if (touchedAt !== undefined && Date.now() - touchedAt > staleMs) rmSync(path, { force: true });
  return false;
}

/** @param {string} path */
function touch(path) {
  try {
    utimesSync(path, new Date(), new Date());
  } catch (error) {
    // Somebody may have deleted node_modules.
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/** @param {unknown} error */
export const codeOf = (error) => /** @type {NodeJS.ErrnoException} */ (error).code;
