/** A column of a table: its heading, and what stands in it. */
export type Column<Row> = readonly [heading: string, cell: (row: Row) => string | number | null];

const NOT_KNOWN = '-';

/** Rows as text in columns, numbers to the right; a line that says so where there are none. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  if (rows.length === 0) return 'none';
  const cells = rows.map((row) => columns.map(([, cell]) => cell(row)));
  const widths = columns.map(([heading], i) =>
    Math.max(heading.length, ...cells.map((line) => textOf(line[i]).length)),
  );
  const lineOf = (line: readonly (string | number | null)[], numbers: readonly boolean[]): string =>
    line
      .map((cell, i) => (numbers[i] === true ? textOf(cell).padStart(widths[i]!) : textOf(cell).padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  const numbers = columns.map((_, i) => cells.some((line) => typeof line[i] === 'number'));
  return [columns.map(([heading]) => heading), ...cells].map((line) => lineOf(line, numbers)).join('\n');
}

/** The fields of one thing, a line each; what is nested stands under its path. */
export function fields(value: object): string {
  const lines = flat(value);
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, text]) => `${name.padEnd(width)}  ${text}`).join('\n');
}

function flat(value: object, path = ''): [string, string][] {
  return Object.entries(value).flatMap(([name, part]: [string, unknown]) => {
    const full = path === '' ? name : `${path}.${name}`;
    if (Array.isArray(part)) return part.map((item, i): [string, string] => [`${full}.${i + 1}`, valueText(item)]);
    return typeof part === 'object' && part !== null ? flat(part, full) : [[full, valueText(part)]];
  });
}

const valueText = (value: unknown): string =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : textOf(value as string | number | null);

/** One line that a terminal shows as it is: what came from shoppers or drivers may hold anything. */
const textOf = (value: string | number | boolean | null | undefined): string =>
  value === null || value === undefined ? NOT_KNOWN : String(value).replaceAll(/\p{Cc}+/gu, ' ');
