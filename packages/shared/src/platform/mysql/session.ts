/** How long a session may block others. */
export interface SessionLimits {
  /** The wait for a row lock. */
  readonly lockWaitSeconds: number;
  /** The wait for the lock of a table's definition, which a migration holds. */
  readonly tableLockWaitSeconds: number;
  /**
   * If a client neither sends nor reads for this long, the server ends its session and so frees its
   * row locks: a frozen client or a lost machine does not close its connection.
   */
  readonly clientSilenceSeconds: number;
  /** The limit for one statement (MySQL: for one that only reads); 0: no limit. */
  readonly statementSeconds: number;
}

/**
 * The statements that every session runs first. They set everything that our SQL relies on, since a
 * server, a proxy or an administrator may have set it differently. MySQL alone reads the comments
 * with a version, MariaDB alone those with an M.
 */
export function sessionStatements(limits: SessionLimits): readonly string[] {
  const { lockWaitSeconds, tableLockWaitSeconds, clientSilenceSeconds, statementSeconds } = limits;
  const variables = [
    // Wrong data causes an error and is never converted; quotes, `||`, `-` and '' have their
    // default meaning.
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
    // No collation: so it is that of literals that name their character set, and both can be in one
    // list.
    `SET NAMES utf8mb4, ${variables.map((variable) => `SESSION ${variable}`).join(', ')} /*!80000 , SESSION max_execution_time = ${statementSeconds * 1_000} */ /*M!100100 , SESSION max_statement_time = ${statementSeconds} */`,
    // The variables for this have different names on the two servers.
    'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE',
  ];
}
