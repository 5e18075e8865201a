import { sql } from 'kysely';
import { vi } from 'vitest';
import type { Db } from '../src/platform/mysql/client.ts';

/**
 * The connections of this test file's database that wait for a row lock.
 * `information_schema.innodb_trx` would be easier to read, but it does not change while it is read
 * more than ten times a second.
 */
async function connectionsWaitingForALock(db: Db): Promise<number[]> {
  const status = await sql<{ Status: string }>`SHOW ENGINE INNODB STATUS`.execute(db);
  const waiting = new Set(
    // The text before the first of them describes an earlier deadlock.
    status.rows[0]!.Status.split('---TRANSACTION')
      .slice(1)
      .filter((transaction) => transaction.includes('LOCK WAIT'))
      .map((transaction) => Number(/thread id (\d+)/.exec(transaction)?.[1])),
  );
  const own = await sql<{ id: number | string }>`
    SELECT id AS id FROM information_schema.processlist WHERE db = DATABASE()`.execute(db);
  return own.rows.map(({ id }) => Number(id)).filter((id) => waiting.has(id));
}

/**
 * Resolves once a transaction waits for a row lock, with the connections that wait. MySQL does not
 * report this, so the function asks it again and again.
 */
export async function aLockIsWaitedFor(db: Db): Promise<number[]> {
  return vi.waitFor(
    async () => {
      const waiting = await connectionsWaitingForALock(db);
      if (waiting.length === 0) throw new Error('no transaction waits for a row lock');
      return waiting;
    },
    { timeout: 20_000, interval: 20 },
  );
}
