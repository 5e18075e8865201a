/** How long a session may hold others up. */
export interface SessionLimits {
  /** For a row lock. */
  readonly lockWaitSeconds: number;
  /** For a lock of a table's definition, which a migration holds. */
  readonly tableLockWaitSeconds: number;
  /**
   * The server ends a session, and so frees its row locks, when its client neither sent a statement, nor went on sending or reading one, for so
   * long: a client that is frozen or whose machine is lost does not end its connection.
   */
  readonly clientSilenceSeconds: number;
  /** For one statement (MySQL: one that only reads); 0: no limit. */
  readonly statementSeconds: number;
}

/**
 * What every session sets before its first statement: all that our SQL relies on, since a server, a proxy or an administrator may have
 * set any of it otherwise. The comments with a version are read by MySQL only, those with an M by MariaDB only.
 */
export function sessionStatements(limits: SessionLimits): readonly string[] {
  const { lockWaitSeconds, tableLockWaitSeconds, clientSilenceSeconds, statementSeconds } = limits;
  const variables = [
    // Wrong data is an error and never changed into other data; quotes, `||`, `-` and '' mean what they mean by default.
    "sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
    'autocommit = 1',
    "completion_type = 'NO_CHAIN'",
    'foreign_key_checks = 1',
    'unique_checks = 1',
    'sql_safe_updates = 0',
    'sql_auto_is_null = 0',
    'sql_big_selects = 1',
    'sql_select_limit = 18446744073709551615',
    "time_zone = '+00:00'",
    `innodb_lock_wait_timeout = ${lockWaitSeconds}`,
    `lock_wait_timeout = ${tableLockWaitSeconds}`,
    `wait_timeout = ${clientSilenceSeconds}`,
    `net_read_timeout = ${clientSilenceSeconds}`,
    `net_write_timeout = ${clientSilenceSeconds}`,
  ];
  return [
    // Without a collation, so that it is the one of literals that name their character set, and both can stand in one list.
    `SET NAMES utf8mb4, ${variables.map((variable) => `SESSION ${variable}`).join(', ')} /*!80000 , SESSION max_execution_time = ${statementSeconds * 1_000} */ /*M!100100 , SESSION max_statement_time = ${statementSeconds} */`,
    // The variables of this have different names on the two servers.
    'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE',
  ];
}
