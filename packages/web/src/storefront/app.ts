import type { VNode } from 'preact';
import { useEffect } from 'preact/hooks';
import { html } from '../ui/html.ts';
import { useLanguage } from '../ui/i18n.ts';
import { LanguageSwitch } from '../ui/language-switch.ts';
import { useStore } from '../ui/store.ts';
import { useTranslation } from './messages.ts';
import { OrdersPage } from './orders-page.ts';
import { followLinks, route, type Route } from './router.ts';
import { SaleList } from './sale-list.ts';
import { NoSale, SalePage } from './sale-page.ts';
import type { Shop } from './shop.ts';

/** The storefront: its header, and the page that the address names. */
export function App({ shop }: { readonly shop: Shop }): VNode {
  const t = useTranslation();
  const language = useLanguage();
  const shown = useStore(route);
  useEffect(() => {
    if (shown.page === 'orders') document.title = `${t('myOrders')} – ${t('title')}`;
    if (shown.page === 'sales') document.title = t('title');
  }, [shown, language]);
  return html`<div class="shell" onClick=${followLinks}>
    <button type="button" class="skip" onClick=${() => document.querySelector<HTMLElement>('#main')?.focus()}>
      ${t('skip')}
    </button>
    <header class="header">
      <a class="brand" href="">${t('title')}</a>
      <nav aria-label=${t('navigation')}>
        <a href="" aria-current=${shown.page === 'sales' ? 'page' : undefined}>${t('sales')}</a>
        <a href="orders" aria-current=${shown.page === 'orders' ? 'page' : undefined}>${t('myOrders')}</a>
      </nav>
      <div class="header-end">
        <${Shopper} shop=${shop} />
        <${LanguageSwitch} label=${t('language')} />
      </div>
    </header>
    <main id="main" tabindex="-1"><${Page} shop=${shop} shown=${shown} /></main>
  </div>`;
}

function Page({ shop, shown }: { readonly shop: Shop; readonly shown: Route }): VNode {
  switch (shown.page) {
    case 'sale':
      return html`<${SalePage} key=${shown.productId} shop=${shop} productId=${shown.productId} />`;
    case 'orders':
      return html`<${OrdersPage} shop=${shop} />`;
    case 'no_sale':
      return html`<${NoSale} />`;
    case 'sales':
      return html`<${SaleList} shop=${shop} />`;
  }
}

/** Who the shopper is, for everybody who signs in here. */
function Shopper({ shop }: { readonly shop: Shop }): VNode | null {
  const t = useTranslation();
  const session = useStore(shop.sessions.current);
  if (session === undefined || !shop.sessions.hasNames) return null;
  return html`<p class="shopper">
    <span>${t('signedInAs', { name: session.userId })}</span>
    <button type="button" class="link" onClick=${() => shop.sessions.signOut()}>${t('signOut')}</button>
  </p>`;
}
