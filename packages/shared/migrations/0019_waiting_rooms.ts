import { sql, type Kysely } from 'kysely';

/** Waiting rooms: the settings and secrets of a sale's room, and how far its line was called. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE products
      ADD COLUMN room_opens_at DATETIME(3) NULL,
      ADD COLUMN room_admit_per_second INT UNSIGNED NULL,
      ADD COLUMN room_seed CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
      ADD COLUMN room_ticket_key CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
      ADD COLUMN room_drawn_at DATETIME(3) NULL`.execute(db);

  await sql`
    CREATE TABLE gates (
      product_id BIGINT NOT NULL PRIMARY KEY,
      version BIGINT NOT NULL DEFAULT 0,
      gate BIGINT NOT NULL DEFAULT 0,
      calls TEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      paced_ms BIGINT NOT NULL DEFAULT 0,
      late BIGINT NOT NULL DEFAULT 0,
      early MEDIUMBLOB NULL
    ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4`.execute(db);
}
