import { sql, type Kysely } from 'kysely';

/** What happens to an order after it is written: payments, history, and counters per sale. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE orders
      ADD COLUMN expires_at DATETIME(3) NULL,
      ADD COLUMN paid_at DATETIME(3) NULL,
      ADD COLUMN closed_at DATETIME(3) NULL,
      ADD KEY by_expiry (status, expires_at)`.execute(db);

  // Orders from before there was a time to pay get one, so that their units come back as well.
  await sql`
    UPDATE orders SET expires_at = UTC_TIMESTAMP(3) + INTERVAL 900 SECOND WHERE status = 'pending_payment'`.execute(db);

  // No order comes to a status twice, so that is its key: no second index to keep while thousands
  // of orders expire.
  await sql`
    CREATE TABLE order_history (
      order_no VARCHAR(47) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      from_status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      to_status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      actor VARCHAR(80) NOT NULL,
      reason VARCHAR(100) NULL,
      created_at DATETIME(3) NOT NULL,
      PRIMARY KEY (order_no, to_status)
    ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4`.execute(db);

  // One open payment per order: a closed one has open = NULL, and NULLs never collide.
  await sql`
    CREATE TABLE payments (
      payment_id VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      order_no VARCHAR(47) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      product_id BIGINT NOT NULL,
      provider VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      provider_ref VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NULL,
      url VARCHAR(2000) NULL,
      status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      amount_cents BIGINT UNSIGNED NOT NULL,
      currency CHAR(3) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      created_at DATETIME(3) NOT NULL,
      updated_at DATETIME(3) NOT NULL,
      ask_at DATETIME(3) NULL,
      refund_by VARCHAR(80) NULL,
      open TINYINT GENERATED ALWAYS AS (CASE WHEN status = 'started' THEN 1 END) STORED,
      PRIMARY KEY (payment_id),
      UNIQUE KEY one_open_payment (order_no, open),
      KEY by_ask_at (ask_at)
    ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4`.execute(db);

  await sql`
    CREATE TABLE payment_events (
      provider VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      event_id VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      payment_id VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      created_at DATETIME(3) NOT NULL,
      PRIMARY KEY (provider, event_id)
    ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4`.execute(db);

  // Changed in the transaction that changes the orders, under the sale's row lock: always right,
  // never a scan.
  await sql`
    CREATE TABLE sale_counters (
      product_id BIGINT NOT NULL,
      name VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      bucket BIGINT NOT NULL,
      value BIGINT NOT NULL,
      PRIMARY KEY (product_id, name, bucket)
    ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4`.execute(db);
}
