import type { VNode } from 'preact';
import type { Product, ServerClock } from '../client/client.ts';
import { html } from '../ui/html.ts';
import { useLocale } from '../ui/i18n.ts';
import { clockText, useTick } from '../ui/time.ts';
import { priceText } from './format.ts';
import { useTranslation, type MessageKey } from './messages.ts';
import type { Purchase } from './purchase.ts';
import type { PurchaseState } from './purchase-state.ts';

type OrderState = Extract<PurchaseState, { at: 'order' }>;

const TEXTS: Readonly<Record<OrderState['order']['status'], MessageKey>> = {
  queued: 'queued',
  pending_payment: 'yours',
  paid: 'paid',
  refunded: 'refunded',
  cancelled: 'cancelled',
  expired: 'expired',
  failed: 'failed',
};

/** The shopper's order in a sale, and what can be done with it. */
export function OrderPanel(props: {
  readonly state: OrderState;
  readonly purchase: Purchase;
  readonly sale: Product;
  readonly canBuyAgain: boolean;
  readonly clock: ServerClock;
  readonly currency: string;
}): VNode {
  const { state, purchase, sale, canBuyAgain, clock, currency } = props;
  const t = useTranslation();
  const locale = useLocale();
  const { order, doing, isPaymentLost } = state;
  const isPending = order.status === 'pending_payment';
  const isClosed = !['queued', 'pending_payment', 'paid'].includes(order.status);
  const { price = sale.price, quantity = 1 } = order;
  const total = priceText(price * quantity, currency, locale);
  const mood = isPending || order.status === 'paid' ? 'good' : '';
  return html`<div class=${`order ${mood}`}>
    <p class="say" role="status">${doing === 'paying' && isPending ? t('paying') : t(TEXTS[order.status])}</p>
    ${quantity > 1 && html`<p class="order-units">${t('orderUnits', { n: quantity, price: total })}</p>`}
    ${
      isPending &&
      order.expires_at !== undefined &&
      html`<${TimeToPay} label=${t('payWithin')} untilMs=${Date.parse(order.expires_at)} clock=${clock} />`
    }
    ${isPaymentLost === true && html`<p class="problem">${t('paymentFailed')}</p>`}
    ${
      isPending &&
      html`<div class="buttons">
        <button type="button" class="button main" disabled=${doing !== undefined} onClick=${() => purchase.pay()}>
          ${t('payNow', { price: total })}
        </button>
        <button type="button" class="button quiet" disabled=${doing !== undefined} onClick=${() => purchase.cancel()}>
          ${t('cancelOrder')}
        </button>
      </div>`
    }
    ${
      isClosed &&
      canBuyAgain &&
      html`<button type="button" class="button main" onClick=${() => purchase.want('unit', quantity)}>
        ${t('buyAgain')}
      </button>`
    }
    <p class="order-number">${t('orderNumber', { number: order.order_no })}</p>
  </div>`;
}

function TimeToPay(props: { readonly label: string; readonly untilMs: number; readonly clock: ServerClock }): VNode {
  const { label, untilMs, clock } = props;
  useTick(500);
  return html`<p class="time-to-pay">
    <span>${label}</span> <strong role="timer" aria-label=${label}>${clockText(untilMs - clock.now())}</strong>
  </p>`;
}
