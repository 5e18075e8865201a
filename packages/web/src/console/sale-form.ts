import type { Product } from '../client/operator-types.ts';
import { html } from '../ui/html.ts';
import { useConsole } from './context.ts';
import { localTimeOf } from './format.ts';

interface SaleFieldsProps {
  readonly sale?: Product;
  /** Price and start cannot change any more. */
  readonly isStarted?: boolean;
}

/** The fields of a sale, new or existing. */
export function SaleFields({ sale, isStarted = false }: SaleFieldsProps) {
  const { t } = useConsole();
  const in5Minutes = new Date(Date.now() + 300_000).toISOString();
  const in65Minutes = new Date(Date.now() + 3_900_000).toISOString();
  return html`
    ${isStarted && html`<p class="help">${t('form.fixed')}</p>`}
    <label>${t('form.name')} <input name="name" required maxlength="200" defaultValue=${sale?.name ?? ''} /></label>
    <label>
      ${t('form.price')}
      <input
        name="price"
        type="number"
        required
        min="0.01"
        max="999999.99"
        step="0.01"
        defaultValue=${sale?.price ?? ''}
        disabled=${isStarted}
      />
    </label>
    ${
      sale === undefined &&
      html`
        <label>
          ${t('form.units')}
          <input name="seckill_stock" type="number" required min="1" max="10000000" defaultValue="100" />
        </label>
        <label>
          ${t('form.stock')} <input name="stock" type="number" required min="1" max="1000000000" defaultValue="1000" />
        </label>
      `
    }
    <label>
      ${t('units-per-shopper')}
      <input
        name="units_per_shopper"
        type="number"
        required
        min="1"
        max="100"
        defaultValue=${sale?.units_per_shopper ?? 1}
      />
    </label>
    <label>
      ${t('form.start')}
      <input
        name="start_time"
        type="datetime-local"
        step="1"
        required
        defaultValue=${localTimeOf(sale?.start_time ?? in5Minutes)}
        disabled=${isStarted}
      />
    </label>
    ${
      sale === undefined &&
      html`
        <label>
          ${t('form.room')}
          <input name="room_opens_at" type="datetime-local" step="1" />
        </label>
      `
    }
    <label>
      ${t('form.end')}
      <input
        name="end_time"
        type="datetime-local"
        step="1"
        required
        defaultValue=${localTimeOf(sale?.end_time ?? in65Minutes)}
      />
    </label>
    <label>
      ${t('form.description')}
      <textarea name="description" maxlength="2000" rows="4">${sale?.description ?? ''}</textarea>
    </label>
    <label>
      ${t('form.image')}
      <input name="image_url" type="url" maxlength="2048" pattern="https://.*" defaultValue=${sale?.image_url ?? ''} />
    </label>
  `;
}
