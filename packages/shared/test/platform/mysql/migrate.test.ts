import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectDb } from '../../../src/platform/mysql/client.ts';
import { migrate } from '../../../src/platform/mysql/migrate.ts';
import { openTestContext, type TestContext } from '../../../testing/support.ts';

let context: TestContext;
beforeAll(async () => {
  context = await openTestContext();
});
afterAll(() => context.close());

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

  test('again runs nothing and keeps the data', async () => {
    const sale = await context.insertSale();
    expect(await migrate(context.config)).toEqual([]);
    expect(await context.db.selectFrom('products').select('id').execute()).toContainEqual({ id: sale.id });
  });
});
