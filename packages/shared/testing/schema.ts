import { sql } from 'kysely';
import { loadConfig, type Config } from '../src/platform/config/config.ts';
import { connectDb, createDatabase } from '../src/platform/mysql/client.ts';
import { migrate } from '../src/platform/mysql/migrate.ts';

/** A migrated database whose tables are copied for each test context. */
export interface Schema {
  readonly database: string;
  /** The statements that copy it into another database, which is the current one. */
  readonly copy: readonly string[];
}

/**
 * Migrates a database of the test run. To copy its tables is cheaper than to migrate each database.
 */
export async function createSchema(env: Readonly<Record<string, string>>, database: string): Promise<Schema> {
  const config = loadConfig({ ...env, DB_NAME: database });
  await migrate(config);
  const db = connectDb(config, 'schema');
  try {
    const { rows } = await sql<{ name: string }>`
      SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()`.execute(db);
    const copy: string[] = [];
    for (const { name } of rows) {
      copy.push(`CREATE TABLE ${name} LIKE ${database}.${name}`);
      const { rows: some } = await sql`SELECT 1 FROM ${sql.id(name)} LIMIT 1`.execute(db);
      if (some.length > 0) copy.push(`INSERT INTO ${name} SELECT * FROM ${database}.${name}`);
    }
    return { database, copy };
  } finally {
    await db.destroy();
  }
}

export async function dropSchema(env: Readonly<Record<string, string>>, { database }: Schema): Promise<void> {
  const db = connectDb(loadConfig({ ...env, DB_NAME: database }), 'schema');
  await sql`DROP DATABASE ${sql.id(database)}`.execute(db).finally(() => db.destroy());
}

/** Creates the database of a configuration, on the server of the schema. */
export async function copySchema(config: Config, { copy }: Schema): Promise<void> {
  await createDatabase(config);
  const db = connectDb({ ...config, DB_POOL_MAX: 1 }, 'schema');
  try {
    for (const statement of copy) await sql.raw(statement).execute(db);
  } finally {
    await db.destroy();
  }
}
