import { sql, type Kysely } from 'kysely';

/** Messages of order events are read by their id, however many rows come before theirs. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE order_events ADD KEY by_message (dead_at, message_id)`.execute(db);
}
