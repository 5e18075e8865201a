import { sql } from 'kysely';
import type { Db } from './client.ts';

/**
 * Runs `work` while this process alone holds a lock of MySQL's, and does nothing where another one does. The lock goes with its connection,
 * whatever becomes of the process.
 *
 * @param name the server's, not the database's, so that the database's name belongs into it
 * @param work is given a question: whether the lock is still held. Asking also keeps its connection in use, which would be dropped if it
 * were silent for long.
 */
export function underLock(
  db: Db,
  name: string,
  work: (holdsLock: () => Promise<boolean>) => Promise<void>,
): Promise<void> {
  return db.connection().execute(async (connection) => {
    const { rows } = await sql<{ held: number }>`SELECT GET_LOCK(${name}, 0) AS held`.execute(connection);
    if (rows[0]?.held !== 1) return;
    try {
      await work(async () => {
        const used = sql<{ held: number }>`SELECT IS_USED_LOCK(${name}) = CONNECTION_ID() AS held`;
        return (await used.execute(connection)).rows[0]?.held === 1;
      });
    } finally {
      await sql`DO RELEASE_LOCK(${name})`.execute(connection);
    }
  });
}
