import { Migrator, type Migration } from 'kysely/migration';
import * as salesAndOrders from '../../migrations/0001_sales_and_orders.ts';
import * as payments from '../../migrations/0002_payments.ts';
import * as operators from '../../migrations/0003_operators.ts';
import * as tokenSecretRotation from '../../migrations/0006_token_secret_rotation.ts';
import type { Config } from '../config/config.ts';
import { connectDb, createDatabase } from './client.ts';

/** All migrations, in order. Forward only: a released one never changes. */
const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001_sales_and_orders': salesAndOrders,
  '0002_payments': payments,
  '0003_operators': operators,
  '0006_token_secret_rotation': tokenSecretRotation,
};

/**
 * Brings the database to the newest schema, creating it where it is missing. Any number of processes may do this at once: one
 * works under Kysely's lock, the others wait and find nothing to do.
 *
 * @returns the names of the migrations that this call ran
 */
export async function migrate(config: Config): Promise<string[]> {
  await createDatabase(config);
  const db = connectDb({ ...config, DB_POOL_MAX: 2 }, 'schema');
  try {
    const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve({ ...MIGRATIONS }) } });
    const { error, results = [] } = await migrator.migrateToLatest();
    if (error !== undefined) throw error;
    return results.map((result) => result.migrationName);
  } finally {
    await db.destroy();
  }
}
