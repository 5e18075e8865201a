import type { Denied, Page } from '../client/operator-types.ts';
import { useState } from 'preact/hooks';
import { html } from '../ui/html.ts';
import { useConsole, type Console } from './context.ts';
import { ActionButton, type Action } from './dialog.ts';
import { timeText, utcOf } from './format.ts';
import { List } from './pages.ts';
import { saveFile } from './save-file.ts';
import { Table } from './table.ts';
import { textIn } from './form.ts';

const whoIs = ({ user_id: userId, address }: Denied): string => userId ?? address ?? '';

/** The deny list, and the data of a shopper. */
export function ShoppersView() {
  const console = useConsole();
  const { t, locale } = console;
  const [version, setVersion] = useState(0);
  const again = (): void => setVersion(version + 1);
  const show = (entries: readonly Denied[]) =>
    html`<${Table}
      caption=${t('denied.title')}
      rows=${entries}
      keyOf=${whoIs}
      columns=${[
        { title: t('denied.user'), cell: ({ user_id: userId }: Denied) => userId ?? '' },
        { title: t('denied.address'), cell: ({ address }: Denied) => address ?? '' },
        { title: t('denied.reason'), cell: ({ reason }: Denied) => reason ?? '' },
        {
          title: t('denied.until'),
          cell: ({ expires_at: expiresAt }: Denied) =>
            expiresAt === null ? t('forever') : timeText(expiresAt, locale),
        },
        {
          title: '',
          cell: (entry: Denied) =>
            html`<${ActionButton}
              label=${t('action.allow')}
              action=${() => allowAction(console, entry)}
              onDone=${again}
            />`,
        },
      ]}
    />`;
  return html`
    <h1>${t('nav.shoppers')}</h1>
    <h2>${t('denied.title')}</h2>
    <div class="buttons">
      <${ActionButton} label=${t('denied.add')} action=${() => denyAction(console)} onDone=${again} />
    </div>
    <${List} path="deny-list" version=${version} show=${show} />
    ${
      console.session.role === 'admin' &&
      html`
        <h2>${t('shopper.title')}</h2>
        <div class="buttons">
          <${ActionButton} label=${t('action.export')} action=${() => exportAction(console)} />
          <${ActionButton} label=${t('action.erase')} action=${() => eraseAction(console)} onDone=${again} />
        </div>
      `
    }
  `;
}

const given = (form: FormData, name: string): string | undefined => {
  const text = textIn(form, name).trim();
  return text === '' ? undefined : text;
};

function denyAction({ call, t, locale }: Console): Action {
  return {
    title: t('action.deny'),
    fields: html`
      <p class="help">${t('denied.either')}</p>
      <label>${t('denied.user')} <input name="user_id" maxlength="255" spellcheck=${false} /></label>
      <label>${t('denied.address')} <input name="address" maxlength="64" spellcheck=${false} /></label>
      <label>${t('denied.reason')} <input name="reason" maxlength="200" /></label>
      <label>${t('denied.until')} <input name="expires_at" type="datetime-local" step="1" /></label>
    `,
    isReady: (form) => (given(form, 'user_id') === undefined) !== (given(form, 'address') === undefined),
    effect(form) {
      const end = given(form, 'expires_at');
      const until =
        end === undefined ? t('denied.for-good') : t('denied.until-time', { time: timeText(utcOf(end), locale) });
      return t('effect.deny', { who: given(form, 'user_id') ?? given(form, 'address') ?? '…', until });
    },
    async run(form) {
      const end = given(form, 'expires_at');
      const body = { user_id: given(form, 'user_id'), address: given(form, 'address'), reason: given(form, 'reason') };
      await call('POST', 'deny-list', { body: { ...body, expires_at: end === undefined ? undefined : utcOf(end) } });
    },
  };
}

function allowAction({ call, t }: Console, entry: Denied): Action {
  const { user_id: userId, address } = entry;
  return {
    title: t('action.allow'),
    effect: t('effect.allow', { who: whoIs(entry) }),
    async run() {
      await call('DELETE', 'deny-list', { query: { user_id: userId, address } });
    },
  };
}

const userField = ({ t }: Console) => html`
  <label>${t('denied.user')} <input name="user_id" required maxlength="255" spellcheck=${false} /></label>
`;
const userIn = (form: FormData): string => given(form, 'user_id') ?? '…';

interface ShopperData extends Omit<Page<never>, 'items'> {
  readonly orders: readonly object[];
}

function exportAction(console: Console): Action {
  const { call, t } = console;
  return {
    title: t('action.export'),
    fields: userField(console),
    effect: (form) => t('effect.export', { user: userIn(form) }),
    async run(form) {
      const user = userIn(form);
      const orders: object[] = [];
      let cursor: string | undefined;
      do {
        const page: ShopperData = await call<ShopperData>('GET', `shoppers/${encodeURIComponent(user)}/export`, {
          query: { limit: 100, cursor },
        });
        orders.push(...page.orders);
        cursor = page.next_cursor ?? undefined;
      } while (cursor !== undefined);
      saveFile('shopper.json', new Blob([JSON.stringify({ user_id: user, orders }, null, 2)]));
    },
  };
}

function eraseAction(console: Console): Action {
  const { call, t } = console;
  return {
    title: t('action.erase'),
    fields: userField(console),
    effect: (form) => t('effect.erase', { user: userIn(form) }),
    isFinal: true,
    async run(form) {
      await call('POST', `shoppers/${encodeURIComponent(userIn(form))}/erase`);
    },
  };
}
