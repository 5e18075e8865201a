import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { Migrator } from 'kysely/migration';
import { connectDb, createDatabase } from '../../../src/platform/mysql/client.ts';
import { migrate, MIGRATIONS } from '../../../src/platform/mysql/migrate.ts';
import { newBatchNo, newOrderNumber } from '../../../src/order/order-number.ts';
import { findOrder } from '../../../src/order/orders-table.ts';
import { rebuildSale } from '../../../src/reconciliation/rebuild.ts';
import { findSale } from '../../../src/sale/products-table.ts';
import { testContext } from '../../../testing/support.ts';

const context = await testContext();

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

  test('again runs nothing and keeps the data', async () => {
    const sale = await context.insertSale();
    expect(await migrate(context.config)).toEqual([]);
    expect(await context.db.selectFrom('products').select('id').execute()).toContainEqual({ id: sale.id });
  });
});
