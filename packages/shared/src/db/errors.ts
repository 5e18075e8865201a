/** What mysql2 puts on its errors. */
interface MysqlError {
  readonly code?: string;
  readonly fatal?: boolean;
  readonly errno?: number;
  readonly sqlState?: string;
}

const INCORRECT_VALUE = 1366;
const CHECK_VIOLATED = 3819;
const DUPLICATE_ENTRY = 1062;

/**
 * Whether MySQL refuses the statement's data for good, so that no retry can succeed: SQLSTATE class 22 (data), 23
 * (constraint) or 45 (raised by a trigger), and the two such errors that MySQL files elsewhere. Everything else, lost connections,
 * deadlocks (1213), lock time-outs (1205), changed rows (1020) and errors without a code included, is worth a retry.
 */
export function isRefusal(error: unknown): boolean {
  const { errno, sqlState } = (error ?? {}) as MysqlError;
  return errno === INCORRECT_VALUE || errno === CHECK_VIOLATED || /^(22|23|45)/.test(sqlState ?? '');
}

/** Whether the server rolled the whole transaction back and running it again may succeed: a deadlock, or a row changed since it was read. */
export function isRolledBack(error: unknown): boolean {
  return [1213, 1020].includes(((error ?? {}) as MysqlError).errno ?? 0);
}

/** Whether a unique key refused the row. */
export function isDuplicate(error: unknown): boolean {
  return ((error ?? {}) as MysqlError).errno === DUPLICATE_ENTRY;
}

/**
 * Whether MySQL is away or not answering, as opposed to a fault of ours. mysql2's fatal errors do not always carry a code; 1020, 1040, 1053,
 * 1205 and 1213 are servers that are full, stopping, or blocked.
 */
export function isDbOutage(error: unknown): boolean {
  const { code = '', fatal, errno } = (error ?? {}) as MysqlError;
  if (fatal === true || /^(ECONN|ETIMEDOUT|EPIPE|EHOST|ENET|PROTOCOL_)/.test(code)) return true;
  if (errno !== undefined && [1020, 1040, 1053, 1205, 1213].includes(errno)) return true;
  return (
    error instanceof Error &&
    /closed state|did not answer in time|Pool is closed|Queue limit reached/.test(error.message)
  );
}
