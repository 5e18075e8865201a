import { sql, type Kysely } from 'kysely';

/** What operators did, and whom they denied. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE operator_actions (
      id BIGINT NOT NULL AUTO_INCREMENT,
      operator VARCHAR(64) NOT NULL,
      role VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      action VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      subject VARCHAR(255) NOT NULL,
      detail TEXT NOT NULL,
      created_at DATETIME(3) NOT NULL,
      PRIMARY KEY (id)
    ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4`.execute(db);

  // A value is a user id or a CIDR; both are ASCII and compared byte by byte.
  await sql`
    CREATE TABLE deny_list (
      kind VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      value VARBINARY(64) NOT NULL,
      reason VARCHAR(200) NULL,
      expires_at DATETIME(3) NULL,
      created_at DATETIME(3) NOT NULL,
      PRIMARY KEY (kind, value)
    ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4`.execute(db);

  // Raised by every change of the list, so that each api process can ask for it often and for the
  // list seldom.
  await sql`
    CREATE TABLE deny_list_version (
      id TINYINT NOT NULL,
      version BIGINT NOT NULL,
      PRIMARY KEY (id)
    ) ENGINE = InnoDB`.execute(db);
  await sql`INSERT INTO deny_list_version (id, version) VALUES (1, 0)`.execute(db);
}
