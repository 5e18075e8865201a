/**
 * The text of a statement with its values in it. Each value has a form that every `sql_mode` and
 * every client character set reads alike, so that the server's settings do not change the meaning
 * of a statement: mysql2's own form needs backslashes, which `NO_BACKSLASH_ESCAPES` turns off.
 * Prepared statements would work too, but they cost a second round trip for each new number of
 * rows, and count towards the server's `max_prepared_stmt_count`.
 */
export function statementText(sql: string, values: readonly unknown[] = []): string {
  if (values.length === 0) return sql;
  let text = '';
  let from = 0;
  for (const value of values) {
    const at = sql.indexOf('?', from);
    if (at === -1) throw new UnsendableValue('there are more values than placeholders');
    text += sql.slice(from, at) + textOf(value);
    from = at + 1;
  }
  if (sql.includes('?', from)) throw new UnsendableValue('there are more placeholders than values');
  return text + sql.slice(from);
}

/** A value that cannot be put into a statement. No retry can succeed. */
export class UnsendableValue extends TypeError {
  constructor(problem: string) {
    super(`Not a statement for MySQL: ${problem}`);
    this.name = 'UnsendableValue';
  }
}

/**
 * Printable ASCII except quotes and the backslash. Between single quotes it has the same meaning
 * with all settings of the server.
 */
const PLAIN = /^[ !#-&(-[\]-~]*$/;

function textOf(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return stringText(value);
    case 'number':
      if (!Number.isFinite(value)) throw new UnsendableValue(`the number ${value}`);
      return String(value);
    case 'bigint':
    case 'boolean':
      return String(value);
    case 'object':
      return objectText(value);
    default:
      throw new UnsendableValue(`a value of the type ${typeof value}`);
  }
}

function stringText(value: string): string {
  // With its character set named, a hexadecimal literal is text like a quoted one: it compares and
  // converts in the same way.
  return PLAIN.test(value) ? `'${value}'` : `_utf8mb4 X'${Buffer.from(value, 'utf8').toString('hex')}'`;
}

function objectText(value: object | null): string {
  if (value === null) return 'NULL';
  if (Array.isArray(value)) return listText(value);
  if (value instanceof Date) return dateText(value.getTime());
  if (value instanceof Uint8Array) return `X'${Buffer.from(value).toString('hex')}'`;
  throw new UnsendableValue('an object');
}

const DAY_MS = 86_400_000;
/**
 * All dates of a batch are of one or two days. Formatting the day for each date took half of the
 * time of a batch.
 */
let lastDay = Number.NaN;
let lastDayText = '';

function dateText(timeMs: number): string {
  if (Number.isNaN(timeMs)) throw new UnsendableValue('a date that is none');
  const day = Math.floor(timeMs / DAY_MS);
  if (day !== lastDay) {
    lastDayText = new Date(day * DAY_MS).toISOString().slice(0, -'T00:00:00.000Z'.length);
    lastDay = day;
  }
  const ms = timeMs - day * DAY_MS;
  const seconds = Math.floor(ms / 1_000);
  const minutes = Math.floor(seconds / 60);
  const time = `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}:${two(seconds % 60)}`;
  return `'${lastDayText} ${time}.${String(1_000 + (ms % 1_000)).slice(1)}'`;
}

function two(number: number): string {
  return number < 10 ? `0${number}` : String(number);
}

/** A list of values, `1, 2`, or of rows, `(1, 2), (3, 4)`. */
function listText(values: readonly unknown[]): string {
  if (values.length === 0) throw new UnsendableValue('an empty list');
  let text = '';
  for (const [i, value] of values.entries()) {
    if (i > 0) text += ', ';
    text += Array.isArray(value) ? `(${listText(value)})` : textOf(value);
  }
  return text;
}
