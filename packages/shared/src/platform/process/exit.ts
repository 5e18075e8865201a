import { setTimeout as delay } from 'node:timers/promises';

/** Much longer than a compilation in the background takes. */
const IDLE_MS = 100;

/**
 * Ends this process after a moment without work, with `code`, or else `process.exitCode`. At once,
 * `process.exit` of Node.js 24 can wait for ever: it joins V8's threads, and one that compiles may
 * itself wait for a garbage collection, which only this thread can make (nodejs/node#54918).
 */
export async function exitProcess(code = process.exitCode): Promise<never> {
  process.exitCode = code;
  // Work that is still in progress may fail; that does not matter any more.
  process.on('uncaughtException', () => {});
  await delay(IDLE_MS);
  process.exit(code);
}
