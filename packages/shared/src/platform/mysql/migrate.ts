import { Migrator, type Migration } from 'kysely/migration';
import * as salesAndOrders from '../../../migrations/0001_sales_and_orders.ts';
import * as payments from '../../../migrations/0002_payments.ts';
import * as operators from '../../../migrations/0003_operators.ts';
import * as orderEvents from '../../../migrations/0004_order_events.ts';
import * as retention from '../../../migrations/0005_retention.ts';
import * as tokenSecretRotation from '../../../migrations/0006_token_secret_rotation.ts';
import * as paymentsBeforeTheirOrders from '../../../migrations/0007_payments_before_their_orders.ts';
import * as paymentCalls from '../../../migrations/0009_payment_calls.ts';
import * as orderEventMessages from '../../../migrations/0010_order_event_messages.ts';
import * as longerShopperIds from '../../../migrations/0011_longer_shopper_ids.ts';
import * as loadedHistory from '../../../migrations/0013_loaded_history.ts';
import * as serviceLeads from '../../../migrations/0014_service_leads.ts';
import * as longerOrderNumbers from '../../../migrations/0015_longer_order_numbers.ts';
import * as productsShownAndOrdersListed from '../../../migrations/0016_products_shown_and_orders_listed.ts';
import * as unitsPerShopper from '../../../migrations/0017_units_per_shopper.ts';
import * as waitingRooms from '../../../migrations/0019_waiting_rooms.ts';
import * as keySpaces from '../../../migrations/0020_key_spaces.ts';
import type { Config } from '../config/config.ts';
import { connectDb, createDatabase } from './client.ts';
import { isUnknownDatabase } from './errors.ts';
import { resumable } from './resumable-migration.ts';

/** All migrations, in order. They only go forward: a released migration never changes. */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001_sales_and_orders': salesAndOrders,
  '0002_payments': payments,
  '0003_operators': operators,
  '0004_order_events': orderEvents,
  '0005_retention': retention,
  '0006_token_secret_rotation': tokenSecretRotation,
  '0007_payments_before_their_orders': paymentsBeforeTheirOrders,
  '0009_payment_calls': paymentCalls,
  '0010_order_event_messages': orderEventMessages,
  '0011_longer_shopper_ids': longerShopperIds,
  '0013_loaded_history': loadedHistory,
  '0014_service_leads': serviceLeads,
  '0015_longer_order_numbers': longerOrderNumbers,
  '0016_products_shown_and_orders_listed': productsShownAndOrdersListed,
  '0017_units_per_shopper': unitsPerShopper,
  '0019_waiting_rooms': waitingRooms,
  '0020_key_spaces': keySpaces,
};

/**
 * Migrates the database to the newest schema, and creates it if it does not exist. Any number of
 * processes may do this at once: one works under Kysely's lock, the others wait and then find
 * nothing to do. If a migration was interrupted, it continues where it stopped. If there is nothing
 * to do, nothing is written: rights on the tables are enough, and the server may be read-only.
 *
 * @returns the names of the migrations that this call ran
 */
export async function migrate(config: Config): Promise<string[]> {
  try {
    return await migrateTables(config);
  } catch (error) {
    if (!isUnknownDatabase(error)) throw error;
    await createDatabase(config);
    return migrateTables(config);
  }
}

async function migrateTables(config: Config): Promise<string[]> {
  const db = connectDb({ ...config, DB_POOL_MAX: 2 }, 'schema');
  try {
    const migrations = Object.fromEntries(
      Object.entries(MIGRATIONS).map(([name, migration]) => [name, resumable(name, migration)]),
    );
    const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(migrations) } });
    const all = await migrator.getMigrations();
    if (all.every(({ executedAt }) => executedAt !== undefined)) return [];
    const { error, results = [] } = await migrator.migrateToLatest();
    if (error !== undefined) throw error;
    return results.map((result) => result.migrationName);
  } finally {
    await db.destroy();
  }
}
