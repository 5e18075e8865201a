import { sql, type Kysely, type QueryExecutor } from 'kysely';
import type { Migration } from 'kysely/migration';
import { isDuplicate, isThereAlready } from './errors.ts';

/**
 * A migration that can be run again after it was interrupted: its process was killed, or MySQL went
 * away. Neither server can roll back the definition of a table, but each of a migration's
 * statements takes effect as a whole or not at all. So those that find their result there have run
 * before. Only after an interruption: at first, a table that exists already belongs to another
 * program.
 */
export function resumable(name: string, migration: Migration): Migration {
  return {
    async up(db) {
      const isFirst = await begin(db, name);
      await migration.up(isFirst ? db : passingOver(db));
    },
  };
}

/** Records that a migration begins. Returns false if it began before. */
async function begin(db: Kysely<unknown>, name: string): Promise<boolean> {
  await sql`
    CREATE TABLE IF NOT EXISTS kysely_migration_begun (
      name VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY
    ) ENGINE = InnoDB`.execute(db);
  try {
    await sql`INSERT INTO kysely_migration_begun (name) VALUES (${name})`.execute(db);
    return true;
  } catch (error) {
    if (isDuplicate(error)) return false;
    throw error;
  }
}

/** The same database, in which a statement whose result is there already succeeds. */
function passingOver(db: Kysely<unknown>): Kysely<unknown> {
  const executor = db.getExecutor();
  const executeQuery: QueryExecutor['executeQuery'] = async (...query) => {
    try {
      return await executor.executeQuery(...query);
    } catch (error) {
      if (isThereAlready(error)) return { rows: [] };
      throw error;
    }
  };
  const passing = replaced(executor, 'executeQuery', executeQuery);
  return replaced(db, 'getExecutor', () => passing);
}

/** The same object with another method. */
function replaced<Of extends object, Name extends keyof Of>(object: Of, name: Name, method: Of[Name]): Of {
  return new Proxy(object, {
    get(target, key) {
      if (key === name) return method;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
