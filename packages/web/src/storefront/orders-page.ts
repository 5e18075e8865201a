import type { VNode } from 'preact';
import { useCallback, useMemo, useState } from 'preact/hooks';
import type { Product } from '../client/client.ts';
import { html } from '../ui/html.ts';
import { useLocale } from '../ui/i18n.ts';
import { useStore } from '../ui/store.ts';
import { priceText, timeText } from './format.ts';
import { useTranslation } from './messages.ts';
import { ORDER_STATUS_TEXTS } from './order-status.ts';
import { firstPages, useReading } from './reading.ts';
import type { Session } from './session.ts';
import type { Shop } from './shop.ts';
import { SignIn } from './sign-in.ts';

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
  const { value, isUnreachable } = useOrders(session, pages);
  const items = value?.items;
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
                ${value?.sales.get(order.product_id)?.name ?? t('saleNumber', { n: String(order.product_id) })}
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
      typeof value?.next === 'string' &&
      html`<button type="button" class="button quiet" onClick=${() => setPages(pages + 1)}>${t('loadMore')}</button>`
    }
  `;
}

/** The first pages of the shopper's orders, with the sales of the orders. */
function useOrders({ client }: Session, pages: number) {
  const sales = useMemo(() => new Map<number, Product>(), [client]);
  const read = useCallback(
    async (signal: AbortSignal) => {
      const list = await firstPages(pages, (cursor) => client.orders({ limit: ORDERS_PER_PAGE, cursor, signal }));
      for (const id of new Set(list.items.map(({ product_id: productId }) => productId))) {
        // A sale that cannot be read now is shown by its number.
        const sale = sales.get(id) ?? (await client.product(id, { signal }).catch(() => undefined));
        if (sale !== undefined) sales.set(id, sale);
      }
      return { ...list, sales };
    },
    [client, pages, sales],
  );
  return useReading(read);
}
