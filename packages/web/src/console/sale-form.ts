import type { Product, SaleFacts } from '../client/operator-types.ts';
import { html } from '../ui/html.ts';
import { useConsole } from './context.ts';
import { localTimeOf, utcOf } from './format.ts';
import { textIn } from './form.ts';

/** The facts in the fields. */
export function factsOf(form: FormData): SaleFacts {
  const timeOf = (name: string): string => (textIn(form, name) === '' ? '' : utcOf(textIn(form, name)));
  const orNull = (name: string): string | null => (textIn(form, name) === '' ? null : textIn(form, name));
  return {
    name: textIn(form, 'name'),
    price: Number(textIn(form, 'price')),
    units_per_shopper: Number(textIn(form, 'units_per_shopper')),
    start_time: timeOf('start_time'),
    end_time: timeOf('end_time'),
    // A form ends its lines in another way than JSON does.
    description: orNull('description')?.replaceAll('\r\n', '\n') ?? null,
    image_url: orNull('image_url'),
  };
}

/** The facts that differ from those of the sale. Fields without milliseconds change none. */
export function changesOf(form: FormData, sale: Product): Partial<SaleFacts> {
  const second = (time: string): string => time.slice(0, 19);
  const before: SaleFacts = {
    ...sale,
    description: sale.description ?? null,
    image_url: sale.image_url ?? null,
  };
  const isTime = (name: string): boolean => name === 'start_time' || name === 'end_time';
  return Object.fromEntries(
    Object.entries(factsOf(form)).filter(([name, value]) => {
      const old = before[name as keyof SaleFacts];
      if (!form.has(name)) return false;
      return isTime(name) ? second(String(value)) !== second(String(old)) : value !== old;
    }),
  );
}

/** When the waiting room of a new sale opens; undefined if it has none. */
export function roomOpensAt(form: FormData): string | undefined {
  const opensAt = textIn(form, 'room_opens_at');
  return opensAt === '' ? undefined : utcOf(opensAt);
}

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
