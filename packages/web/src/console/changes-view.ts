import type { OperatorAction } from '../client/operator-types.ts';
import { html } from '../ui/html.ts';
import { useConsole } from './context.ts';
import { timeText } from './format.ts';
import { List } from './pages.ts';
import { Table } from './table.ts';

/** What operators did, newest first. */
export function ChangesView() {
  const { t, locale } = useConsole();
  const show = (changes: readonly OperatorAction[]) =>
    html`<${Table}
      caption=${t('changes.title')}
      rows=${changes}
      keyOf=${({ id }: OperatorAction) => id}
      columns=${[
        { title: t('time'), cell: ({ time }: OperatorAction) => timeText(time, locale) },
        { title: t('changes.operator'), cell: ({ operator }: OperatorAction) => operator },
        { title: t('changes.action'), cell: ({ action }: OperatorAction) => action },
        { title: t('changes.subject'), cell: ({ subject }: OperatorAction) => subject },
        {
          title: t('changes.detail'),
          cell: ({ detail }: OperatorAction) => html`<span class="code">${JSON.stringify(detail)}</span>`,
        },
      ]}
    />`;
  return html`
    <h1>${t('changes.title')}</h1>
    <${List} path="actions" show=${show} />
  `;
}
