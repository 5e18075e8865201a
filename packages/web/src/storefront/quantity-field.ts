import type { VNode } from 'preact';
import type { Product } from '../client/client.ts';
import { html } from '../ui/html.ts';
import { useLocale } from '../ui/i18n.ts';
import { priceText } from './format.ts';
import { useTranslation } from './messages.ts';

interface Props {
  readonly sale: Product;
  readonly quantity: number;
  readonly currency: string;
  readonly onChange: (quantity: number) => void;
}

type TypedEvent = Event & { readonly currentTarget: HTMLInputElement };

/** How many units to buy, and what they cost together. */
export function QuantityField({ sale, quantity, currency, onChange }: Props): VNode {
  const t = useTranslation();
  const locale = useLocale();
  const max = sale.units_per_shopper;
  const quantityIn = ({ value }: HTMLInputElement): number =>
    Math.min(max, Math.max(1, Math.trunc(Number(value)) || 1));
  const type = ({ currentTarget }: TypedEvent): void => onChange(quantityIn(currentTarget));
  // What is out of range stays while it is typed, and becomes the nearest number after it.
  const leave = ({ currentTarget }: TypedEvent): void => {
    currentTarget.value = String(quantityIn(currentTarget));
  };
  return html`<p class="quantity">
    <label>
      ${t('quantity', { max })}
      <input
        name="quantity"
        type="number"
        min="1"
        max=${max}
        step="1"
        defaultValue=${quantity}
        onInput=${type}
        onChange=${leave}
      />
    </label>
    <output>${t('total', { price: priceText(sale.price * quantity, currency, locale) })}</output>
  </p>`;
}
