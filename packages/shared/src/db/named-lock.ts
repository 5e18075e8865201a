import { sql } from 'kysely';
import type { Db } from './client.ts';

/** Far below the silence after which a connection is dropped. */
const LOOK_MS = 1_000;

/**
 * Runs the work while this process holds a lock of MySQL's: one process at a time, by nothing that a loss of Redis takes away. The
 * lock goes with its connection, so a process that dies lets go of it.
 *
 * @param work its signal is aborted where the lock is lost: what it changes must be guarded by itself, since that is noticed late
 * @returns what the work returned, or undefined where somebody else holds the lock
 */
export function withNamedLock<Result>(
  db: Db,
  name: string,
  work: (lost: AbortSignal) => Promise<Result>,
): Promise<Result | undefined> {
  return db.connection().execute(async (connection) => {
    // Locks are the server's and not the database's, and their names are short.
    const lock = sql`SHA2(CONCAT(DATABASE(), '.', ${name}), 224)`;
    const { rows } = await sql<{ held: number }>`SELECT GET_LOCK(${lock}, 0) AS held`.execute(connection);
    if (rows[0]?.held !== 1) return undefined;

    const lost = new AbortController();
    // Also keeps the connection in use, which would be dropped if it were silent for as long as some work takes.
    let looking: Promise<void> | undefined;
    const look = async (): Promise<void> => {
      try {
        const used = await sql<{ held: number }>`SELECT IS_USED_LOCK(${lock}) = CONNECTION_ID() AS held`.execute(
          connection,
        );
        if (used.rows[0]?.held !== 1) lost.abort();
      } catch {
        lost.abort();
      }
    };
    const timer = setInterval(() => {
      looking = look();
    }, LOOK_MS);
    try {
      return await work(lost.signal);
    } finally {
      clearInterval(timer);
      await looking;
      await sql`DO RELEASE_LOCK(${lock})`.execute(connection);
    }
  });
}
