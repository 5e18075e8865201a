import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { Migrator } from 'kysely/migration';
import { connectDb, createDatabase, type Db } from '../../../src/platform/mysql/client.ts';
import { migrate, MIGRATIONS } from '../../../src/platform/mysql/migrate.ts';
import { newBatchNo, newOrderNumber } from '../../../src/order/order-number.ts';
import { findOrder } from '../../../src/order/orders-table.ts';
import { rebuildSale } from '../../../src/reconciliation/rebuild.ts';
import { findSale } from '../../../src/sale/products-table.ts';
import { testContext } from '../../../testing/support.ts';

const context = await testContext();

async function tablesOf(db: Db, database: string): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    SELECT table_name AS name FROM information_schema.tables WHERE table_schema = ${database}`.execute(db);
  return rows.map(({ name }) => name).toSorted();
}

/** Each table of a database, as a statement. */
async function definitions(db: Db, database: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of await tablesOf(db, database)) {
    const { rows } = await sql<{ 'Create Table': string }>`SHOW CREATE TABLE ${sql.id(database, name)}`.execute(db);
    found[name] = rows[0]!['Create Table'].replace(/ AUTO_INCREMENT=\d+/, '');
  }
  return found;
}

/** Ends all connections to a database, as the death of their process does. */
async function endConnections(db: Db, database: string): Promise<void> {
  const { rows } = await sql<{ id: number }>`
    SELECT id FROM information_schema.processlist WHERE db = ${database}`.execute(db);
  for (const { id } of rows)
    await sql`KILL ${sql.lit(id)}`.execute(db).catch((error: unknown) => {
      // It has ended by itself.
      if (!/Unknown thread id/.test(String(error))) throw error;
    });
}

describe('migrating', () => {
  test('a new database, by six processes at once: one does it, all succeed', async () => {
    const config = { ...context.config, DB_NAME: `${context.config.DB_NAME}_race` };
    const db = connectDb(config, 'general');
    try {
      const ran = await Promise.all(Array.from({ length: 6 }, () => migrate(config)));
      const done = ran.filter((names) => names.length > 0);
      expect(done).toHaveLength(1);
      expect(done[0]![0]).toBe('0001_sales_and_orders');
      // The schema is there for everybody who came back.
      const rows = await db.selectFrom('orders').selectAll().execute();
      expect(rows).toEqual([]);
    } finally {
      await sql`DROP DATABASE IF EXISTS ${sql.id(config.DB_NAME)}`.execute(db);
      await db.destroy();
    }
  });

  test('lets a sale and an order of before go on, with one unit', async () => {
    const config = { ...context.config, DB_NAME: `${context.config.DB_NAME}_before` };
    await createDatabase(config);
    const db = connectDb(config, 'general');
    try {
      const before = Object.fromEntries(Object.entries(MIGRATIONS).filter(([name]) => name < '0017'));
      const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(before) } });
      expect((await migrator.migrateToLatest()).error).toBeUndefined();
      await sql`
        INSERT INTO products (shard, name, price_cents, stock, seckill_stock, start_time, end_time, sold, created_at)
        VALUES (77, 'of before', 1999, 10, 10, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3) + INTERVAL 1 HOUR, 1, UTC_TIMESTAMP(3))`.execute(
        db,
      );
      const [sale] = (await sql<{ id: number }>`SELECT id FROM products`.execute(db)).rows;
      const orderNo = newOrderNumber({ id: sale!.id, shard: 77 }, newBatchNo(Date.now()));
      await sql`
        INSERT INTO orders (order_no, product_id, user_id, status, price_cents, created_at, updated_at)
        VALUES (${orderNo}, ${sale!.id}, 'alice', 'paid', 1999, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))`.execute(db);

      await migrate(config);

      expect(await findSale(db, sale!.id)).toMatchObject({ unitsPerShopper: 1 });
      expect(await findOrder(db, orderNo)).toMatchObject({ quantity: 1, priceCents: 1_999 });
      const rebuilt = await rebuildSale({ db, commands: context.commands }, { id: sale!.id, shard: 77 }, 5_000);
      expect(rebuilt).toMatchObject({ held: 1, available: 9 });
    } finally {
      await sql`DROP DATABASE IF EXISTS ${sql.id(config.DB_NAME)}`.execute(db);
      await db.destroy();
    }
  });

  test('goes on after it was interrupted, wherever that was', async () => {
    const config = { ...context.config, DB_NAME: `${context.config.DB_NAME}_killed` };
    const watch = connectDb(context.config, 'general');
    try {
      await migrate(config);
      const whole = await definitions(watch, config.DB_NAME);
      await sql`DROP DATABASE ${sql.id(config.DB_NAME)}`.execute(watch);
      for (const made of ['products', 'orders', 'payments', 'deny_list_version', 'gates']) {
        await createDatabase(config);
        const interrupted = migrate(config).catch((error: unknown) => error);
        await expect.poll(() => tablesOf(watch, config.DB_NAME), { interval: 1 }).toContain(made);
        await endConnections(watch, config.DB_NAME);
        await interrupted;
        await migrate(config);
        expect(await definitions(watch, config.DB_NAME)).toEqual(whole);
        await sql`DROP DATABASE ${sql.id(config.DB_NAME)}`.execute(watch);
      }
    } finally {
      await watch.destroy();
    }
  });

  test('goes on if it was interrupted after its last statement, and keeps the data', async () => {
    const config = { ...context.config, DB_NAME: `${context.config.DB_NAME}_unrecorded` };
    await createDatabase(config);
    const db = connectDb(config, 'general');
    try {
      await migrate(config);
      const whole = await definitions(db, config.DB_NAME);
      await sql`UPDATE deny_list_version SET version = 7`.execute(db);
      await sql`DELETE FROM kysely_migration`.execute(db);
      expect(await migrate(config)).toEqual(Object.keys(MIGRATIONS));
      expect(await definitions(db, config.DB_NAME)).toEqual(whole);
      expect((await sql`SELECT version FROM deny_list_version`.execute(db)).rows).toEqual([{ version: 7 }]);
    } finally {
      await sql`DROP DATABASE IF EXISTS ${sql.id(config.DB_NAME)}`.execute(db);
      await db.destroy();
    }
  });

  test('refuses a database in which another program has a table of that name', async () => {
    const config = { ...context.config, DB_NAME: `${context.config.DB_NAME}_foreign` };
    await createDatabase(config);
    const db = connectDb(config, 'general');
    try {
      await sql`CREATE TABLE products (id INT)`.execute(db);
      await expect(migrate(config)).rejects.toThrow(/already exists/);
    } finally {
      await sql`DROP DATABASE IF EXISTS ${sql.id(config.DB_NAME)}`.execute(db);
      await db.destroy();
    }
  });

  test('runs nothing on the schema of a newer release, so that a release can be rolled back', async () => {
    const newer = '9999_of_a_newer_release';
    await sql`INSERT INTO kysely_migration (name, timestamp) VALUES (${newer}, '2099-01-01T00:00:00.000Z')`.execute(
      context.db,
    );
    expect(await migrate(context.config)).toEqual([]);
    await sql`DELETE FROM kysely_migration WHERE name = ${newer}`.execute(context.db);
  });

  test('again runs nothing and keeps the data', async () => {
    const sale = await context.insertSale();
    expect(await migrate(context.config)).toEqual([]);
    expect(await context.db.selectFrom('products').select('id').execute()).toContainEqual({ id: sale.id });
  });
});
