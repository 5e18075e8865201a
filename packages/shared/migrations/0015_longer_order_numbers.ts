import { sql, type Kysely } from 'kysely';

const TABLES = ['orders', 'stock_returns', 'order_history', 'payments'];

/** Order numbers that begin with the number of their batch are six characters longer. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const table of TABLES) {
    // Up to 255 bytes the length of a value takes one byte, so that no row is written again.
    await sql`
      ALTER TABLE ${sql.table(table)} MODIFY COLUMN order_no VARCHAR(53) CHARACTER SET ascii COLLATE ascii_bin NOT NULL`.execute(
      db,
    );
  }
}
