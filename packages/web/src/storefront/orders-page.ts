import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { isTemporary, Refused, type Order, type Product } from '../client/client.ts';
import { html } from '../ui/html.ts';
import { useLocale } from '../ui/i18n.ts';
import { useStore } from '../ui/store.ts';
import { priceText, timeText } from './format.ts';
import { useTranslation } from './messages.ts';
import { ORDER_STATUS_TEXTS } from './order-status.ts';
import type { Session } from './session.ts';
import type { Shop } from './shop.ts';
import { SignIn } from './sign-in.ts';

const REST_MS = 6_000;
const ORDERS_PER_PAGE = 20;

/** The shopper's orders, newest first. */
export function OrdersPage({ shop }: { readonly shop: Shop }): VNode {
  const t = useTranslation();
  const session = useStore(shop.sessions.current);
  return html`<div class="orders">
    <h1>${t('myOrders')}</h1>
    ${
      session === undefined
        ? html`<${SignIn} sessions=${shop.sessions} reason=${t('signInForOrders')} />`
        : html`<${Orders} key=${session.userId} shop=${shop} session=${session} />`
    }
  </div>`;
}

function Orders({ shop, session }: { readonly shop: Shop; readonly session: Session }): VNode {
  const t = useTranslation();
  const locale = useLocale();
  const [pages, setPages] = useState(1);
  const { items, next, isUnreachable, sales } = useOrders(session, pages);
  return html`
    <p class="notice" role="status">
      ${isUnreachable ? t('ordersUnreachable') : items === undefined ? t('loading') : ''}
    </p>
    ${items?.length === 0 && html`<p class="empty">${t('noOrders')}</p>`}
    <ul class="order-list">
      ${items?.map(
        (order) =>
          html`<li key=${order.order_no} class="order-row">
            <div>
              <p class="order-name">
                ${sales.get(order.product_id)?.name ?? t('saleNumber', { n: String(order.product_id) })}
              </p>
              <p class="muted">${t('orderedAt', { time: timeText(order.created_at, locale) })}</p>
              <p class="order-number">${t('orderNumber', { number: order.order_no })}</p>
            </div>
            <div class="order-side">
              <p class="price">${priceText(order.total, shop.settings.currency, locale)}</p>
              ${order.quantity > 1 && html`<p class="muted">${t('units', { n: order.quantity })}</p>`}
              <p><span class=${`badge ${order.status}`}>${t(ORDER_STATUS_TEXTS[order.status])}</span></p>
              <p>
                <a
                  href=${`sales/${order.product_id}`}
                  aria-label=${`${t('open')}: ${t('orderNumber', { number: order.order_no })}`}
                  onClick=${() => shop.rememberOrder(session, order.product_id, order.order_no)}
                  >${t('open')}</a
                >
              </p>
            </div>
          </li>`,
      )}
    </ul>
    ${
      next !== null &&
      html`<button type="button" class="button quiet" onClick=${() => setPages(pages + 1)}>${t('loadMore')}</button>`
    }
  `;
}

interface Listed {
  readonly items?: readonly Order[];
  readonly next: string | null;
  readonly isUnreachable: boolean;
  readonly sales: ReadonlyMap<number, Product>;
}

/** The first pages of the list, read again while they are looked at, and the sales of the orders. */
function useOrders({ client }: Session, pages: number): Listed {
  const [listed, setListed] = useState<Listed>({ next: null, isUnreachable: false, sales: new Map() });
  useEffect(() => {
    const leaving = new AbortController();
    const { signal } = leaving;
    const sales = new Map<number, Product>();
    let timer: ReturnType<typeof setTimeout>;
    const read = async (): Promise<void> => {
      try {
        const items: Order[] = [];
        let next: string | null | undefined;
        for (let page = 0; page < pages && next !== null; page += 1) {
          const cursor: string | undefined = next;
          const answer = await client.orders({ limit: ORDERS_PER_PAGE, cursor, signal });
          items.push(...answer.items);
          next = answer.next_cursor;
        }
        for (const id of new Set(items.map(({ product_id: productId }) => productId))) {
          // A sale that cannot be read now is shown by its number.
          const sale = sales.get(id) ?? (await client.product(id, { signal }).catch(() => undefined));
          if (sale !== undefined) sales.set(id, sale);
        }
        setListed({ items, next: next ?? null, isUnreachable: false, sales: new Map(sales) });
      } catch (error) {
        if (signal.aborted) return;
        if (!isTemporary(error) && !(error instanceof Refused)) throw error;
        setListed((before) => ({ ...before, isUnreachable: true }));
      }
      timer = setTimeout(() => void read(), (document.hidden ? REST_MS * 5 : REST_MS) * (1 + Math.random() / 2));
    };
    void read();
    return () => {
      leaving.abort();
      clearTimeout(timer);
    };
  }, [client, pages]);
  return listed;
}
