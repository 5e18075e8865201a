import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { isTemporary, Refused, type Product, type ShopperClient } from '../client/client.ts';
import { html } from '../ui/html.ts';
import { useLocale } from '../ui/i18n.ts';
import { clockText, useTick } from '../ui/time.ts';
import { priceText, timeText } from './format.ts';
import { useTranslation, type T } from './messages.ts';
import { ProductPicture } from './product-picture.ts';
import { groupOf, SALE_STATUS_TEXTS, statusNow } from './sale-status.ts';
import type { Shop } from './shop.ts';

const REST_MS = 6_000;
const SALES_PER_PAGE = 50;

interface Listed {
  readonly items?: readonly Product[];
  readonly next: string | null;
  readonly isUnreachable: boolean;
}

/** All sales as cards, those that run first. */
export function SaleList({ shop }: { readonly shop: Shop }): VNode {
  const t = useTranslation();
  const client = shop.sessions.anyone;
  const [pages, setPages] = useState(1);
  const { items, next, isUnreachable } = useSales(client, pages);
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
      next !== null &&
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

/** The first pages of the list, read again while they are looked at. */
function useSales(client: ShopperClient, pages: number): Listed {
  const [listed, setListed] = useState<Listed>({ next: null, isUnreachable: false });
  useEffect(() => {
    const leaving = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const read = async (): Promise<void> => {
      try {
        const items: Product[] = [];
        let next: string | null | undefined;
        for (let page = 0; page < pages && next !== null; page += 1) {
          const cursor: string | undefined = next;
          const answer = await client.products({ limit: SALES_PER_PAGE, cursor, signal: leaving.signal });
          items.push(...answer.items);
          next = answer.next_cursor;
        }
        setListed({ items, next: next ?? null, isUnreachable: false });
      } catch (error) {
        if (leaving.signal.aborted) return;
        if (!isTemporary(error) && !(error instanceof Refused)) throw error;
        setListed((before) => ({ ...before, isUnreachable: true }));
      }
      const restMs = document.hidden ? REST_MS * 5 : REST_MS;
      timer = setTimeout(() => void read(), restMs * (1 + Math.random() / 2));
    };
    void read();
    return () => {
      leaving.abort();
      clearTimeout(timer);
    };
  }, [client, pages]);
  return listed;
}
