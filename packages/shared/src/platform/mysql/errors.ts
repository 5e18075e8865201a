import { UnsendableValue } from './statement-text.ts';

/** The fields that mysql2 sets on its errors. */
interface MysqlError {
  readonly code?: string;
  readonly fatal?: boolean;
  readonly errno?: number;
  readonly sqlState?: string;
}

/**
 * The kind of an error of the server:
 * - `rolled_back`: the server rolled back the whole transaction because of another one; a retry may
 *   succeed at once;
 * - `away`: the server is full, stopping, blocked or not reachable; a retry may succeed;
 * - `read_only`: this server accepts no writes (any more); a retry may find another one;
 * - `operator`: nothing succeeds before somebody changes a setting, a right or the disk.
 */
export type MysqlErrorKind = 'rolled_back' | 'away' | 'read_only' | 'operator';

/**
 * The errors that are neither rejected data nor a fault of ours, with their meaning. Numbers below
 * 1000 are those of a server's files and memory; up to 1900 they are common to MySQL and MariaDB;
 * 1901 to 1999 are MariaDB's; from 3000 on they are MySQL's; 2000 to 2999 come from proxies, which
 * pass on what they saw as clients.
 */
export const MYSQL_ERRORS: ReadonlyMap<number, readonly [kind: MysqlErrorKind, meaning: string]> = new Map([
  [1020, ['rolled_back', 'a row changed since the transaction read it']],
  [1213, ['rolled_back', 'deadlock']],
  [3101, ['rolled_back', 'rolled back by group replication during the commit']],

  [1040, ['away', 'too many connections: raise max_connections']],
  [1047, ['away', 'the node of the cluster is not synchronised']],
  [1053, ['away', 'the server is shutting down']],
  [1077, ['away', 'the server has shut down']],
  [1079, ['away', 'the server has shut down']],
  [1080, ['away', 'the server closed the connection']],
  [1135, ['away', 'the server cannot make a thread']],
  [1152, ['away', 'the connection was aborted']],
  [1158, ['away', 'the server could not read from the connection']],
  [1159, ['away', 'the server waited in vain for the rest of a statement']],
  [1160, ['away', 'the server could not write to the connection']],
  [1161, ['away', 'the server waited in vain for its answer to be read']],
  [1180, ['away', 'the commit failed']],
  [1184, ['away', 'the connection was aborted']],
  [1203, ['away', 'the user has too many connections: raise max_user_connections']],
  [1205, ['away', 'a lock was not had in time']],
  [1206, ['away', 'the server has no room for more locks']],
  [1226, ['away', 'the user has used up what it may use: raise the limit of the account']],
  [1317, ['away', 'the statement was interrupted']],
  [1412, ['away', 'the table was changed during the transaction']],
  [1637, ['away', 'too many transactions at once']],
  [1927, ['away', 'the connection was killed']],
  [1969, ['away', 'the statement took longer than max_statement_time']],
  [2002, ['away', 'the proxy cannot connect to the server']],
  [2003, ['away', 'the proxy cannot connect to the server']],
  [2006, ['away', 'the proxy has lost the server']],
  [2013, ['away', 'the proxy has lost the server during the statement']],
  [2055, ['away', 'the proxy has lost the server']],
  [3024, ['away', 'the statement took longer than max_execution_time']],
  [3032, ['away', 'the server is in offline mode']],
  [3058, ['away', 'deadlock of user locks']],
  [3100, ['away', 'group replication does not take the commit now']],
  [3168, ['away', 'the server is not available yet']],
  [3169, ['away', 'the session was killed']],
  [3572, ['away', 'a lock was not free']],
  [4031, ['away', 'the connection was idle for longer than wait_timeout']],
  [9001, ['away', 'the proxy cannot reach a server of the group']],

  [1036, ['read_only', 'the table is read-only']],
  [1290, ['read_only', 'the server is read-only']],
  [1792, ['read_only', 'the transaction is read-only']],
  [1836, ['read_only', 'the server is read-only']],
  [1874, ['read_only', 'InnoDB is read-only']],
  [1881, ['read_only', 'innodb_force_recovery allows no writes']],

  [1, ['operator', 'a file cannot be made; the disk may be full']],
  [3, ['operator', 'a file cannot be written; the disk may be full']],
  [5, ['operator', 'the server is out of memory']],
  [20, ['operator', 'the disk is full']],
  [1004, ['operator', 'a file cannot be made; the disk may be full']],
  [1016, ['operator', 'a file cannot be opened: raise open_files_limit']],
  [1021, ['operator', 'the disk is full']],
  [1026, ['operator', 'a file cannot be written; the disk may be full']],
  [1030, ['operator', 'the storage engine failed; the disk may be full']],
  [1037, ['operator', 'the server is out of memory']],
  [1038, ['operator', 'the server is out of memory for sorting: raise sort_buffer_size']],
  [1041, ['operator', 'the server is out of memory']],
  [1044, ['operator', 'the user may not use the database: grant the rights']],
  [1045, ['operator', 'the user or the password is wrong']],
  [1049, ['operator', 'the database does not exist']],
  [1114, ['operator', 'the table is full; the disk may be full']],
  [1129, ['operator', 'the host is blocked after many failed connections: FLUSH HOSTS']],
  [1130, ['operator', 'the user may not connect from this host']],
  [1142, ['operator', 'a right on a table is missing: grant it']],
  [1143, ['operator', 'a right on a column is missing: grant it']],
  [1153, ['operator', 'max_allowed_packet is too small']],
  [1197, ['operator', 'max_binlog_cache_size is too small']],
  [1227, ['operator', 'a right is missing: grant it']],
  [1251, ['operator', 'the account’s way of authentication is not supported']],
  [1370, ['operator', 'a right on a routine is missing: grant it']],
  [1449, ['operator', 'the definer of a trigger does not exist']],
  [1598, ['operator', 'the binary log cannot be written; the disk may be full']],
  [1665, ['operator', 'binlog_format is STATEMENT: set it to ROW']],
  [1698, ['operator', 'the user or its way of authentication is wrong']],
  [1785, ['operator', 'a table of another engine breaks GTID consistency']],
  [1820, ['operator', 'the password of the user must be changed']],
  [1862, ['operator', 'the password of the user has expired']],
  [3098, ['operator', 'a table does not comply with group replication']],
  [3118, ['operator', 'the account is locked']],
  [3159, ['operator', 'the server takes TLS only: set DB_TLS']],
]);

const INCORRECT_VALUE = 1366;
const CHECK_VIOLATED = 3819;
const DUPLICATE_ENTRY = 1062;
/** A table, a column, a key or a row. */
const THERE_ALREADY = new Set([1050, 1060, 1061, DUPLICATE_ENTRY]);
const UNKNOWN_DATABASE = 1049;

/**
 * Whether MySQL rejects the statement's data, so that no retry can succeed: SQLSTATE class 22
 * (data), 23 (constraint) or 45 (raised by a trigger), the two such errors that MySQL puts in other
 * classes, and values that cannot be sent. Retry everything else: the errors of the table above,
 * lost connections and errors without a code.
 */
export function isRejectedByMysql(error: unknown): boolean {
  if (error instanceof UnsendableValue) return true;
  const { errno, sqlState } = fieldsOf(error);
  if (MYSQL_ERRORS.has(errno ?? 0)) return false;
  return errno === INCORRECT_VALUE || errno === CHECK_VIOLATED || /^(22|23|45)/.test(sqlState ?? '');
}

/**
 * Whether the server rolled back the whole transaction and a retry may succeed: a deadlock, or a
 * row that changed since it was read.
 */
export function isRolledBack(error: unknown): boolean {
  return kindOf(error) === 'rolled_back';
}

/**
 * Whether MySQL did not answer in time, so that the next caller would wait as long: no answer, no
 * connection, or a row that stays locked (1205).
 */
export function isSilence(error: unknown): boolean {
  const { code, errno } = (error ?? {}) as MysqlError;
  if (code === 'ETIMEDOUT' || errno === 1205) return true;
  return error instanceof Error && /did not answer in time|Queue limit reached/.test(error.message);
}

/**
 * Whether a row stayed locked for too long (1205), or was locked and the statement does not wait
 * (3572).
 */
export function isLockTaken(error: unknown): boolean {
  const { errno } = fieldsOf(error);
  return errno === 1205 || errno === 3572;
}

/** Whether a unique key rejected the row. */
export function isDuplicate(error: unknown): boolean {
  return fieldsOf(error).errno === DUPLICATE_ENTRY;
}

/**
 * Whether a statement failed because its result is there already: the table, column, key or row.
 */
export function isThereAlready(error: unknown): boolean {
  return THERE_ALREADY.has(fieldsOf(error).errno ?? 0);
}

/**
 * Whether the server does not accept writes: it is the old master of a failover, or was set
 * read-only.
 */
export function isReadOnly(error: unknown): boolean {
  return kindOf(error) === 'read_only';
}

export function isUnknownDatabase(error: unknown): boolean {
  return fieldsOf(error).errno === UNKNOWN_DATABASE;
}

/**
 * Whether MySQL is not reachable, does not answer or has a fault, in contrast to a fault of ours or
 * rejected data. mysql2's fatal errors do not always have a code.
 */
export function isDbOutage(error: unknown): boolean {
  if (kindOf(error) !== undefined) return true;
  const { code = '', fatal } = fieldsOf(error);
  if (fatal === true || /^(ECONN|ETIMEDOUT|EPIPE|EHOST|ENET|ENOTFOUND|EAI_|PROTOCOL_)/.test(code)) return true;
  return (
    error instanceof Error &&
    /closed state|did not answer in time|Pool is closed|Queue limit reached/.test(error.message)
  );
}

/** What an operator must fix on MySQL before the statement can succeed; undefined if nothing. */
export function dbFault(error: unknown): string | undefined {
  const [kind, meaning] = MYSQL_ERRORS.get(fieldsOf(error).errno ?? 0) ?? [];
  return kind === 'operator' || kind === 'read_only' ? `MySQL: ${meaning}` : undefined;
}

function kindOf(error: unknown): MysqlErrorKind | undefined {
  return MYSQL_ERRORS.get(fieldsOf(error).errno ?? 0)?.[0];
}

function fieldsOf(error: unknown): MysqlError {
  return error ?? {};
}
