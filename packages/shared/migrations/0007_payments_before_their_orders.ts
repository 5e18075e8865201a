import { sql, type Kysely } from 'kysely';

/** Payments that arrived while Redis could not be told, whose orders are still to be moved. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE payments
      ADD COLUMN order_due_at DATETIME(3) NULL,
      ADD KEY by_order_due_at (order_due_at)`.execute(db);
}
