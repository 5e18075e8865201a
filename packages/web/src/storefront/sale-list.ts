import type { VNode } from 'preact';
import { useCallback, useState } from 'preact/hooks';
import type { Product } from '../client/client.ts';
import { html } from '../ui/html.ts';
import { useLocale } from '../ui/i18n.ts';
import { clockText, useTick } from '../ui/time.ts';
import { priceText, timeText } from './format.ts';
import { useTranslation, type T } from './messages.ts';
import { ProductPicture } from './product-picture.ts';
import { firstPages, useReading } from './reading.ts';
import { groupOf, SALE_STATUS_TEXTS, statusNow } from './sale-status.ts';
import type { Shop } from './shop.ts';

const SALES_PER_PAGE = 50;

/** All sales as cards, those that run first. */
export function SaleList({ shop }: { readonly shop: Shop }): VNode {
  const t = useTranslation();
  const client = shop.sessions.anyone;
  const [pages, setPages] = useState(1);
  const read = useCallback(
    (signal: AbortSignal) => firstPages(pages, (cursor) => client.products({ limit: SALES_PER_PAGE, cursor, signal })),
    [client, pages],
  );
  const { value, isUnreachable } = useReading(read);
  const items = value?.items;
  useTick(1_000);
  const nowMs = client.clock.now();
  const groups = (['running', 'coming', 'over'] as const).map((group) => ({
    group,
    sales: (items ?? []).filter((sale) => groupOf(statusNow(sale, nowMs)) === group).toSorted(byStart(group)),
  }));
  return html`<div class="sales">
    <h1>${t('sales')}</h1>
    <p class="notice" role="status">
      ${isUnreachable ? t('listUnreachable') : items === undefined ? t('loading') : ''}
    </p>
    ${items?.length === 0 && html`<p class="empty">${t('noSales')}</p>`}
    ${groups
      .filter(({ sales }) => sales.length > 0)
      .map(
        ({ group, sales }) =>
          html`<section key=${group} aria-labelledby=${`group-${group}`}>
            <h2 id=${`group-${group}`}>${t(group)}</h2>
            <ul class="cards">
              ${sales.map((sale) => html`<${SaleCard} key=${sale.id} sale=${sale} nowMs=${nowMs} shop=${shop} t=${t} />`)}
            </ul>
          </section>`,
      )}
    ${
      typeof value?.next === 'string' &&
      html`<button type="button" class="button quiet" onClick=${() => setPages(pages + 1)}>${t('loadMore')}</button>`
    }
  </div>`;
}

/** Coming sales: the next one first. All others: the latest one first. */
function byStart(group: 'running' | 'coming' | 'over'): (a: Product, b: Product) => number {
  const sign = group === 'coming' ? 1 : -1;
  return (a, b) => sign * (Date.parse(a.start_time) - Date.parse(b.start_time));
}

function SaleCard({
  sale,
  nowMs,
  shop,
  t,
}: {
  readonly sale: Product;
  readonly nowMs: number;
  readonly shop: Shop;
  readonly t: T;
}): VNode {
  const locale = useLocale();
  const status = statusNow(sale, nowMs);
  const startsInMs = Date.parse(sale.start_time) - nowMs;
  const isSoon = startsInMs < 3_600_000;
  return html`<li class="card">
    <${ProductPicture} name=${sale.name} url=${sale.image_url} />
    <div class="card-text">
      <h3><a href=${`sales/${sale.id}`}>${sale.name}</a></h3>
      <p class="price">${priceText(sale.price, shop.settings.currency, locale)}</p>
      <p class="card-state">
        <span class=${`badge ${status}`}>${t(SALE_STATUS_TEXTS[status])}</span>
        <span class="muted"
          >${
            status === 'scheduled'
              ? isSoon
                ? `${t('startsIn')} ${clockText(startsInMs)}`
                : t('startsAt', { time: timeText(sale.start_time, locale) })
              : status === 'ended'
                ? t('endedAt', { time: timeText(sale.end_time, locale) })
                : status === 'open' && sale.available !== null
                  ? t('unitsLeft', { n: sale.available })
                  : ''
          }</span
        >
      </p>
    </div>
  </li>`;
}
