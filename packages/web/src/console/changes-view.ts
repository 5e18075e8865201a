import type { Change } from './schema.ts';
import { html } from '../ui/html.ts';
import { useConsole } from './context.ts';
import { timeText } from './format.ts';
import { List } from './pages.ts';
import { Table } from './table.ts';

/** What operators did, newest first. */
export function ChangesView() {
  const { t, locale } = useConsole();
  const show = (changes: readonly Change[]) =>
    html`<${Table}
      caption=${t('changes.title')}
      rows=${changes}
      keyOf=${({ id }: Change) => id}
      columns=${[
        { title: t('time'), cell: ({ time }: Change) => timeText(time, locale) },
        { title: t('changes.operator'), cell: ({ operator }: Change) => operator },
        { title: t('changes.action'), cell: ({ action }: Change) => action },
        { title: t('changes.subject'), cell: ({ subject }: Change) => subject },
        {
          title: t('changes.detail'),
          cell: ({ detail }: Change) => html`<span class="code">${JSON.stringify(detail)}</span>`,
        },
      ]}
    />`;
  return html`
    <h1>${t('changes.title')}</h1>
    <${List} path="actions" show=${show} />
  `;
}
