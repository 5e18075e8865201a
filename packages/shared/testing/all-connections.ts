import { setTimeout as delay } from 'node:timers/promises';
import { createConnection, type Connection } from 'mysql2/promise';
import { vi } from 'vitest';
import type { Config } from '../src/platform/config/config.ts';
import { SOON } from './soon.ts';

const AGAIN_MS = 5;
/** Of MySQL: too many connections. */
const FULL = 1040;

/**
 * Takes every free connection of a MySQL, also one that becomes free later, until the returned
 * function is called. A pool would close those that it does not use.
 */
export async function takeAllConnections(
  config: Pick<Config, 'DB_HOST' | 'DB_PORT' | 'DB_USER' | 'DB_PASSWORD'>,
): Promise<() => Promise<void>> {
  const { DB_HOST: host, DB_PORT: port, DB_USER: user, DB_PASSWORD: password } = config;
  const taken: Connection[] = [];
  const takeFree = async (): Promise<void> => {
    try {
      for (;;) taken.push(await createConnection({ host, port, user, password }));
    } catch (error) {
      if ((error as { errno?: number }).errno !== FULL) throw error;
    }
  };
  await takeFree();
  const ending = new AbortController();
  const taking = (async () => {
    while (!ending.signal.aborted) {
      await delay(AGAIN_MS);
      await takeFree();
    }
  })();
  return async () => {
    ending.abort();
    await taking;
    for (const connection of taken.splice(0)) connection.destroy();
    // The server notices a moment later.
    await vi.waitFor(async () => (await createConnection({ host, port, user, password })).destroy(), SOON);
  };
}
