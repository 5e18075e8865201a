import { sql, type Kysely } from 'kysely';

/**
 * Shoppers' ids of up to 255 characters, as OpenID Connect allows in `sub`. A subject of a recorded
 * call names one after a word.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  // Up to 255 bytes the length of a value takes one byte, so that no row is written again.
  await sql`ALTER TABLE orders MODIFY COLUMN user_id VARBINARY(255) NOT NULL`.execute(db);
  await sql`ALTER TABLE stock_returns MODIFY COLUMN user_id VARBINARY(255) NOT NULL`.execute(db);
  await sql`ALTER TABLE deny_list MODIFY COLUMN value VARBINARY(255) NOT NULL`.execute(db);
  await sql`ALTER TABLE operator_actions MODIFY COLUMN subject VARCHAR(300) NOT NULL`.execute(db);
}
