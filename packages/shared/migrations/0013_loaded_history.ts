import { sql, type Kysely } from 'kysely';

/**
 * In which history of Redis a sale was loaded last, and when a worker was last seen in each
 * history.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE products
      ADD COLUMN history_id CHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL`.execute(db);
  await sql`
    CREATE TABLE redis_histories (
      history_id CHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      seen_at DATETIME(3) NOT NULL,
      PRIMARY KEY (history_id)
    ) ENGINE = InnoDB`.execute(db);
}
