import { sql, type Kysely } from 'kysely';

/** Under which database number and prefix the keys of a served history are. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE redis_histories
      ADD COLUMN key_space VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''`.execute(db);
}
