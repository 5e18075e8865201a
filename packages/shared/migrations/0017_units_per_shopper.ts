import { sql, type Kysely } from 'kysely';

/** More than one unit to a shopper. Every sale and order of before has one. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE products ADD COLUMN units_per_shopper TINYINT UNSIGNED NOT NULL DEFAULT 1`.execute(db);
  await sql`ALTER TABLE orders ADD COLUMN quantity TINYINT UNSIGNED NOT NULL DEFAULT 1`.execute(db);
}
