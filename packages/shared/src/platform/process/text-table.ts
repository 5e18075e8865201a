import stringWidth from 'string-width';

const GAP = '  ';
const ELLIPSIS = '…';
/** The smallest width of a cut column. */
const CUT_WIDTH_MIN = 12;

export interface Layout {
  /** Columns that are aligned to the right, such as numbers. */
  readonly isRight: (column: number) => boolean;
  /** Columns that may be cut if the table is wider than the terminal. None by default. */
  readonly isCut?: (column: number) => boolean;
  /** The width of the terminal; without it nothing is cut. */
  readonly widthMax?: number | undefined;
}

/**
 * Formats rows in columns, by the width that a terminal uses: two columns for a Chinese character,
 * none for an accent.
 */
export function textTable(rows: readonly (readonly string[])[], layout: Layout = FIRST_LEFT): string {
  const { isRight, widthMax } = layout;
  const widths = fitted(
    rows[0]!.map((_, column) => Math.max(...rows.map((row) => stringWidth(row[column]!)))),
    layout,
  );
  const cellOf = (text: string, column: number): string => {
    const cut = cutTo(text, widths[column]!);
    const blanks = ' '.repeat(widths[column]! - stringWidth(cut));
    return isRight(column) ? blanks + cut : cut + blanks;
  };
  return rows
    .map((row) => row.map(cellOf).join(GAP).trimEnd())
    .map((line) => (widthMax === undefined ? line : cutTo(line, widthMax)))
    .join('\n');
}

/** The first column is aligned to the left, the others, which are numbers, to the right. */
const FIRST_LEFT: Layout = { isRight: (column) => column > 0 };

/**
 * Shortens the widest column that may be cut, until the table fits or no column can be cut further.
 */
function fitted(widths: readonly number[], { isCut = () => false, widthMax }: Layout): number[] {
  const fit = [...widths];
  const cuttable = fit.map((_, column) => column).filter(isCut);
  let excess = fit.reduce((sum, width) => sum + width, GAP.length * (fit.length - 1)) - (widthMax ?? Infinity);
  while (excess > 0) {
    const widest = cuttable.toSorted((a, b) => fit[b]! - fit[a]!)[0];
    if (widest === undefined || fit[widest]! <= CUT_WIDTH_MIN) break;
    fit[widest]! -= 1;
    excess -= 1;
  }
  return fit;
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** The text, or its beginning and an ellipsis if it is too wide. */
function cutTo(text: string, widthMax: number): string {
  if (stringWidth(text) <= widthMax) return text;
  let cut = '';
  let width = stringWidth(ELLIPSIS);
  for (const { segment } of graphemes.segment(text)) {
    width += stringWidth(segment);
    if (width > widthMax) break;
    cut += segment;
  }
  return cut + ELLIPSIS;
}

/** Pads on the right to a width in columns of a terminal. */
export const padTo = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - stringWidth(text)));

/**
 * The width of the terminal. Undefined if the output goes elsewhere and `COLUMNS` is not set
 * (`watch` sets it).
 */
export function terminalWidth(): number | undefined {
  if (process.stdout.isTTY) return process.stdout.columns || undefined;
  const named = process.env['COLUMNS'] ?? '';
  return /^[1-9]\d{0,3}$/.test(named) ? Number(named) : undefined;
}
