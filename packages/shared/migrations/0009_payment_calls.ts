import { sql, type Kysely } from 'kysely';

/** What operators need to know of payments, and what makes a call to a provider a new one. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE payments
      ADD COLUMN asks INT UNSIGNED NOT NULL DEFAULT 0,
      ADD COLUMN key_no INT UNSIGNED NOT NULL DEFAULT 0,
      ADD COLUMN last_error VARCHAR(200) NULL,
      ADD COLUMN note VARCHAR(200) NULL,
      ADD KEY by_status (status, updated_at)`.execute(db);
}
