import { sql, type Kysely } from 'kysely';

/** Sales, the ledger of orders, and the units that have to go back. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE products (
      id BIGINT NOT NULL AUTO_INCREMENT,
      shard SMALLINT UNSIGNED NOT NULL,
      name VARCHAR(200) NOT NULL,
      price_cents BIGINT NOT NULL,
      stock INT UNSIGNED NOT NULL,
      seckill_stock INT UNSIGNED NOT NULL,
      start_time DATETIME(3) NOT NULL,
      end_time DATETIME(3) NOT NULL,
      sold INT UNSIGNED NOT NULL DEFAULT 0,
      fence BIGINT UNSIGNED NOT NULL DEFAULT 0,
      version INT UNSIGNED NOT NULL DEFAULT 1,
      paused TINYINT NOT NULL DEFAULT 0,
      pause_version INT UNSIGNED NOT NULL DEFAULT 0,
      created_at DATETIME(3) NOT NULL,
      cleaned_at DATETIME(3) NULL,
      PRIMARY KEY (id),
      KEY by_cleaned_at (cleaned_at, start_time),
      KEY by_shard (shard),
      CONSTRAINT sold_fits CHECK (sold <= seckill_stock)
    ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4`.execute(db);

  // Order numbers sort by time, so rows are appended to the clustered index. A closed order has
  // live = NULL, and NULLs never collide: one live order per (product, user), any number of closed
  // ones.
  await sql`
    CREATE TABLE orders (
      order_no VARCHAR(47) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      product_id BIGINT NOT NULL,
      user_id VARBINARY(64) NOT NULL,
      status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      price_cents BIGINT UNSIGNED NOT NULL,
      version INT UNSIGNED NOT NULL DEFAULT 1,
      reason VARCHAR(100) NULL,
      created_at DATETIME(3) NOT NULL,
      updated_at DATETIME(3) NOT NULL,
      live TINYINT GENERATED ALWAYS AS (CASE WHEN status IN ('pending_payment', 'paid') THEN 1 END) STORED,
      PRIMARY KEY (order_no),
      UNIQUE KEY one_live_order (product_id, user_id, live),
      KEY by_user (user_id, order_no)
    ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4`.execute(db);

  await sql`
    CREATE TABLE stock_returns (
      order_no VARCHAR(47) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      product_id BIGINT NOT NULL,
      user_id VARBINARY(64) NOT NULL,
      created_at DATETIME(3) NOT NULL,
      applied_at DATETIME(3) NULL,
      PRIMARY KEY (order_no),
      KEY unapplied (applied_at, product_id)
    ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4`.execute(db);

  await sql`
    CREATE TABLE repairs (
      id BIGINT NOT NULL AUTO_INCREMENT,
      product_id BIGINT NOT NULL,
      findings TEXT NOT NULL,
      created_at DATETIME(3) NOT NULL,
      PRIMARY KEY (id),
      KEY by_product (product_id)
    ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4`.execute(db);

  await sql`
    CREATE TABLE token_secrets (
      id TINYINT NOT NULL,
      secret VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      PRIMARY KEY (id)
    ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4`.execute(db);
}
