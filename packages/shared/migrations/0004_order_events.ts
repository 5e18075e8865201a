import { sql, type Kysely } from 'kysely';

/** Order events that wait for their receiver. */
export async function up(db: Kysely<unknown>): Promise<void> {
  // A row tells of up to a hundred orders, since a row for each would make the order writer's
  // commit several times as large.
  await sql`
    CREATE TABLE order_events (
      id BIGINT NOT NULL AUTO_INCREMENT,
      product_id BIGINT NOT NULL,
      status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      order_nos TEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      orders SMALLINT UNSIGNED NOT NULL,
      created_at DATETIME(3) NOT NULL,
      message_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL,
      attempts INT UNSIGNED NOT NULL DEFAULT 0,
      next_attempt_at DATETIME(3) NULL,
      last_error VARCHAR(200) NULL,
      waiting_since DATETIME(3) NOT NULL,
      dead_at DATETIME(3) NULL,
      PRIMARY KEY (id),
      KEY undelivered (dead_at, id),
      KEY by_product (product_id)
    ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4`.execute(db);
}
