import type { VNode } from 'preact';
import { useEffect } from 'preact/hooks';
import type { Product } from '../client/client.ts';
import { html } from '../ui/html.ts';
import { useLanguage, useLocale } from '../ui/i18n.ts';
import { useStore } from '../ui/store.ts';
import { useTick } from '../ui/time.ts';
import { Countdown } from './countdown.ts';
import { priceText, timeText } from './format.ts';
import { useTranslation } from './messages.ts';
import { ProductPicture } from './product-picture.ts';
import { PurchasePanel } from './purchase-panel.ts';
import { SALE_STATUS_TEXTS, statusNow } from './sale-status.ts';
import type { Shop } from './shop.ts';
import { SignIn } from './sign-in.ts';

/** The address names no sale, or one that was deleted. */
export function NoSale(): VNode {
  const t = useTranslation();
  const language = useLanguage();
  useEffect(() => {
    document.title = `${t('saleNotFound')} – ${t('title')}`;
  }, [language]);
  return html`<div class="sale-page">
    <h1>${t('saleNotFound')}</h1>
    <p><a href="">${t('backToSales')}</a></p>
  </div>`;
}

/** One sale: what it sells, how long it takes, what is left, and one button. */
export function SalePage({ shop, productId }: { readonly shop: Shop; readonly productId: number }): VNode {
  const t = useTranslation();
  const watch = shop.watchOf(productId);
  const { sale, problem } = useStore(watch.reading);
  useEffect(() => watch.watch(), [watch]);
  if (problem === 'unknown_sale') return html`<${NoSale} />`;
  return html`<div class="sale-page">
    <p class="back"><a href="">${t('backToSales')}</a></p>
    ${
      sale === undefined
        ? html`<p class="notice" role="status">${problem === undefined ? t('loading') : t('listUnreachable')}</p>`
        : html`<${Sale} shop=${shop} sale=${sale} isStale=${problem !== undefined} />`
    }
  </div>`;
}

function Sale({
  shop,
  sale,
  isStale,
}: {
  readonly shop: Shop;
  readonly sale: Product;
  readonly isStale: boolean;
}): VNode {
  const t = useTranslation();
  const language = useLanguage();
  const locale = useLocale();
  const session = useStore(shop.sessions.current);
  useTick(500);
  const { clock } = shop.sessions.anyone;
  const { currency } = shop.settings;
  const status = statusNow(sale, clock.now());
  const { description, image_url: picture } = sale;
  useEffect(() => {
    document.title = `${sale.name} – ${t('title')}`;
  }, [sale.name, language]);
  return html`<article class="sale">
    <${ProductPicture} name=${sale.name} url=${picture} />
    <div class="sale-text">
      <p><span class=${`badge ${status}`}>${t(SALE_STATUS_TEXTS[status])}</span></p>
      <h1>${sale.name}</h1>
      <p class="price">${priceText(sale.price, currency, locale)}</p>
      ${
        status === 'ended'
          ? html`<p class="muted">${t('endedAt', { time: timeText(sale.end_time, locale) })}</p>`
          : status === 'scheduled'
            ? html`<${Countdown} label=${t('startsIn')} untilMs=${Date.parse(sale.start_time)} clock=${clock} t=${t} />`
            : html`<${Countdown} label=${t('endsIn')} untilMs=${Date.parse(sale.end_time)} clock=${clock} t=${t} />`
      }
      ${status !== 'ended' && html`<${UnitsLeft} sale=${sale} status=${status} />`}
      ${isStale && html`<p class="trouble" role="status">${t('listUnreachable')}</p>`}
      ${
        session === undefined
          ? html`<${SignIn} sessions=${shop.sessions} />`
          : html`<${PurchasePanel}
              key=${session.userId}
              purchase=${shop.purchaseOf(session, sale.id)}
              sale=${sale}
              status=${status}
              clock=${clock}
              currency=${currency}
              userId=${session.userId}
            />`
      }
      ${description !== undefined && html`<p class="description">${description}</p>`}
    </div>
  </article>`;
}

function UnitsLeft({ sale, status }: { readonly sale: Product; readonly status: Product['status'] }): VNode {
  const t = useTranslation();
  const { available, seckill_stock: total } = sale;
  if (status === 'scheduled') return html`<p class="left-text">${t('unitsInSale', { n: total })}</p>`;
  if (available === null) return html`<p class="left-text">${t('leftUnknown')}</p>`;
  return html`<div class="left">
    <p class="left-text">${t('unitsOf', { left: available, total })}</p>
    <div class="bar" aria-hidden="true"><div style=${{ width: `${(100 * available) / total}%` }}></div></div>
  </div>`;
}
