import { sql, type Kysely } from 'kysely';

/**
 * Secrets of seckill tokens that follow one another. Code that knows one secret only goes on with
 * the first.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE token_secrets
      MODIFY COLUMN id INT NOT NULL,
      ADD COLUMN signs_from DATETIME(3) NULL`.execute(db);
}
