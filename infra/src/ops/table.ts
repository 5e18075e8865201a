import { padTo, terminalWidth, textTable } from '@flash-sale/shared/platform/process/text-table.ts';

/** A column of a table: its heading, its cells, and whether it may be cut to fit the terminal. */
export type Column<Row> = readonly [heading: string, cell: (row: Row) => string | number | null, cut?: 'cut'];

const NOT_KNOWN = '-';

/** Rows as text in columns, numbers aligned to the right; a message if there are no rows. */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  widthMax: number | undefined = terminalWidth(),
): string {
  if (rows.length === 0) return 'none';
  const cells = rows.map((row) => columns.map(([, cell]) => cell(row)));
  const lines = cells.map((line) => line.map(textOf));
  return textTable([columns.map(([heading]) => heading), ...lines], {
    isRight: (column) => cells.some((line) => typeof line[column] === 'number'),
    isCut: (column) => columns[column]![2] === 'cut',
    widthMax,
  });
}

/** The fields of an object, one line each, with nested fields under their path. */
export function fields(value: object): string {
  const lines = flat(value);
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, text]) => `${padTo(name, width)}  ${text}`).join('\n');
}

function flat(value: object, path = ''): [string, string][] {
  return Object.entries(value).flatMap(([name, part]: [string, unknown]) => {
    const full = path === '' ? name : `${path}.${name}`;
    if (Array.isArray(part)) return part.map((item, i): [string, string] => [`${full}.${i + 1}`, valueText(item)]);
    return typeof part === 'object' && part !== null ? flat(part, full) : [[full, valueText(part)]];
  });
}

const valueText = (value: unknown): string =>
  typeof value === 'object' && value !== null ? textOf(JSON.stringify(value)) : textOf(value as string | number | null);

/** Characters that move the cursor, end a line or change the direction of text. */
const NOT_SHOWN = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu;

/** One line that is safe for a terminal: texts from shoppers or drivers may contain anything. */
export const textOf = (value: string | number | boolean | null | undefined): string =>
  value === null || value === undefined ? NOT_KNOWN : String(value).replaceAll(NOT_SHOWN, ' ');
