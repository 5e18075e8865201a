import type { ComponentChildren } from 'preact';
import { html } from '../ui/html.ts';
import { useConsole } from './context.ts';

/** A column: its title, what its cells show, and whether they are numbers. */
export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => ComponentChildren;
  readonly isNumber?: boolean;
}

interface TableProps<Row> {
  readonly caption: string;
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  readonly keyOf: (row: Row) => string | number;
}

/** A table that can be scrolled sideways on a narrow screen, also by keyboard. */
export function Table<Row>({ caption, rows, columns, keyOf }: TableProps<Row>) {
  const { t } = useConsole();
  if (rows.length === 0) return html`<p class="none">${t('none')}</p>`;
  const classOf = ({ isNumber }: Column<Row>): string | undefined => (isNumber === true ? 'number' : undefined);
  return html`
    <div class="table" role="region" aria-label=${caption} tabindex="0">
      <table>
        <caption class="hidden">
          ${caption}
        </caption>
        <thead>
          <tr>
            ${columns.map((column) => html`<th scope="col" class=${classOf(column)}>${column.title}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (row) => html`
              <tr key=${keyOf(row)}>
                ${columns.map((column) => html`<td class=${classOf(column)}>${column.cell(row)}</td>`)}
              </tr>
            `,
          )}
        </tbody>
      </table>
    </div>
  `;
}

/** A status in the operator's language, with a colour that is not the only sign. */
export function Status({ value }: { readonly value: string }) {
  const { t } = useConsole();
  return html`<span class=${`badge ${value}`}>${t(`status.${value}` as Parameters<typeof t>[0])}</span>`;
}
