import type { VNode } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { html } from '../ui/html.ts';
import { useLanguage, useLocale } from '../ui/i18n.ts';
import { LanguageSwitch } from '../ui/language-switch.ts';
import { ChangesView } from './changes-view.ts';
import { ConsoleContext, useConsole, useLive, type Console } from './context.ts';
import { LiveView } from './live-view.ts';
import { Live } from './live.ts';
import { useTranslation } from './messages.ts';
import { OrdersView, OrderView } from './orders-view.ts';
import { ProblemsView } from './problems-view.ts';
import { SalesView, SaleView } from './sales-view.ts';
import { callAs, keptSession, signOut, type Session } from './session.ts';
import { ShoppersView } from './shoppers-view.ts';
import { SignIn } from './sign-in.ts';

const VIEWS = ['live', 'sales', 'orders', 'problems', 'shoppers', 'changes'] as const;
type ViewName = (typeof VIEWS)[number];

/** The place in the console: a view, and what it shows. It is in the fragment of the address. */
interface Place {
  readonly view: ViewName;
  readonly of: string | undefined;
  readonly query: URLSearchParams;
}

function placeOf(hash: string): Place {
  const [path = '', query] = hash.replace(/^#\/?/, '').split('?', 2);
  const [view, of] = path.split('/', 2);
  const name = VIEWS.find((one) => one === view) ?? 'live';
  return { view: name, of: of === undefined ? undefined : decoded(of), query: new URLSearchParams(query) };
}

/** Anybody can type an address: what is not percent-encoded stays as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function App(): VNode {
  const [session, setSession] = useState<Session | undefined>(keptSession);
  const language = useLanguage();
  const t = useTranslation();
  useEffect(() => {
    document.title = t('title');
  }, [language]);
  if (session === undefined)
    return html`<main class="page"><${SignIn} onSignedIn=${setSession} /><${Languages} /></main>`;
  const leave = (): void => {
    signOut();
    setSession(undefined);
  };
  return html`<${SignedIn} key=${session.token} session=${session} onLeave=${leave} />`;
}

function Languages() {
  const t = useTranslation();
  return html`<${LanguageSwitch} label=${t('language')} />`;
}

/** What was done, and in which view. */
const NO_MESSAGE = { text: '', hash: '' };

interface SignedInProps {
  readonly session: Session;
  readonly onLeave: () => void;
}

function SignedIn({ session, onLeave }: SignedInProps) {
  const t = useTranslation();
  const locale = useLocale();
  const [message, setMessage] = useState(NO_MESSAGE);
  const [place, setPlace] = useState(() => placeOf(location.hash));
  const live = useMemo(() => new Live(), []);
  useEffect(() => {
    void live.run(session, onLeave);
    const moved = (): void => {
      setPlace(placeOf(location.hash));
      // An action that opens another view shows its message there.
      setMessage((last) => (last.hash === location.hash ? last : NO_MESSAGE));
    };
    addEventListener('hashchange', moved);
    return () => {
      live.stop();
      removeEventListener('hashchange', moved);
    };
  }, []);
  const call = useMemo(() => callAs(session), []);
  const notify = (text: string): void => setMessage({ text, hash: location.hash });
  const value: Console = { session, call, live, t, locale, notify };
  return html`
    <${ConsoleContext.Provider} value=${value}>
      <${Header} place=${place} onLeave=${onLeave} />
      <main class="page" id="main" tabindex="-1">
        ${session.role === 'viewer' && html`<p class="help">${t('viewer.note')}</p>`}
        <${Connection} />
        <p role="status" class="message">${message.text}</p>
        <${View} key=${`${place.view} ${place.of}`} place=${place} />
      </main>
    <//>
  `;
}

function Header({ place, onLeave }: { readonly place: Place; readonly onLeave: () => void }) {
  const { t, session } = useConsole();
  const role = t(`role.${session.role}`);
  return html`
    <button type="button" class="skip" onClick=${() => document.querySelector<HTMLElement>('#main')?.focus()}>
      ${t('skip')}
    </button>
    <header class="header">
      <strong class="brand">${t('title')}</strong>
      <nav aria-label=${t('nav.label')}>
        ${VIEWS.map(
          (name) => html`
            <a href=${`console#/${name}`} aria-current=${name === place.view ? 'page' : undefined}
              >${t(`nav.${name}`)}</a
            >
          `,
        )}
        <a href="admin/queues/">${t('nav.queues')}</a>
        <a href="docs/">${t('nav.docs')}</a>
      </nav>
      <div class="header-end who">
        <span>${t('signed-in', { name: session.name === '' ? role : session.name, role })}</span>
        <button type="button" onClick=${onLeave}>${t('sign-out')}</button>
        <${LanguageSwitch} label=${t('language')} />
      </div>
    </header>
  `;
}

/** Whether the figures are of now, and which server does not answer. */
function Connection() {
  const { t } = useConsole();
  const { connection, figures } = useLive();
  const { redis = true, mysql = true } = figures.latest ?? {};
  const away = connection === 'live' ? [redis ? '' : t('server.redis'), mysql ? '' : t('server.mysql')] : [];
  const text = [t(`connection.${connection}`), ...away].filter((part) => part !== '').join(' ');
  return html`<p role="status" class=${`connection ${connection}`}>${text}</p>`;
}

function View({ place: { view, of, query } }: { readonly place: Place }): VNode {
  switch (view) {
    case 'live':
      return html`<${LiveView} />`;
    case 'sales':
      return of === undefined ? html`<${SalesView} />` : html`<${SaleView} id=${Number(of)} />`;
    case 'orders': {
      if (of !== undefined) return html`<${OrderView} orderNo=${of} />`;
      const productId = query.get('product_id') ?? undefined;
      return html`<${OrdersView} key=${productId} productId=${productId} />`;
    }
    case 'problems':
      return html`<${ProblemsView} />`;
    case 'shoppers':
      return html`<${ShoppersView} />`;
    case 'changes':
      return html`<${ChangesView} />`;
  }
}
