import type { VNode } from 'preact';
import type { Product } from '../client/client.ts';
import { html } from '../ui/html.ts';
import { useLanguage } from '../ui/i18n.ts';
import { priceText } from './format.ts';
import { useTranslation } from './messages.ts';

interface Props {
  readonly sale: Product;
  readonly quantity: number;
  readonly currency: string;
  readonly onChange: (quantity: number) => void;
}

/** How many units to buy, and what they cost together. */
export function QuantityField({ sale, quantity, currency, onChange }: Props): VNode {
  const t = useTranslation();
  const language = useLanguage();
  const max = sale.units_per_shopper;
  const change = (event: Event): void => {
    const wanted = Math.trunc(Number((event.currentTarget as HTMLInputElement).value)) || 1;
    onChange(Math.min(max, Math.max(1, wanted)));
  };
  return html`<p class="quantity">
    <label>
      ${t('quantity', { max })}
      <input name="quantity" type="number" min="1" max=${max} step="1" value=${quantity} onChange=${change} />
    </label>
    <output>${t('total', { price: priceText(sale.price * quantity, currency, language) })}</output>
  </p>`;
}
