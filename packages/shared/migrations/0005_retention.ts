import { sql, type Kysely } from 'kysely';

/** Sales that are archived and deleted. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE products
      ADD COLUMN archiving_at DATETIME(3) NULL,
      ADD COLUMN archived_at DATETIME(3) NULL`.execute(db);

  // The events of a payment go with it.
  await sql`ALTER TABLE payment_events ADD KEY by_payment (payment_id)`.execute(db);
}
