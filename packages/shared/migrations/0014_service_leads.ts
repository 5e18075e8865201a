import { sql, type Kysely } from 'kysely';

/** Which process runs each service of the whole ledger, and until when. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE service_leads (
      service VARCHAR(32) NOT NULL PRIMARY KEY,
      holder VARCHAR(255) NOT NULL,
      leads_until DATETIME(3) NOT NULL
    ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4`.execute(db);
  await sql`
    INSERT INTO service_leads (service, holder, leads_until)
    VALUES ('expiry', '', UTC_TIMESTAMP(3)), ('due_payments', '', UTC_TIMESTAMP(3)), ('payment_calls', '', UTC_TIMESTAMP(3)),
      ('order_events', '', UTC_TIMESTAMP(3)), ('retention', '', UTC_TIMESTAMP(3))`.execute(db);

  // Whether a kept sale has come, gone or changed is answered from this alone.
  await sql`ALTER TABLE products ADD KEY kept (cleaned_at, version, pause_version)`.execute(db);
}
