import type { Audit, Product, SaleFacts } from '../client/operator-types.ts';
import { html } from '../ui/html.ts';
import { useConsole, type Console } from './context.ts';
import { ActionButton, type Action } from './dialog.ts';
import { timeText } from './format.ts';
import { nameOf } from './product.ts';
import { changesOf, factsOf, roomOpensAt } from './sale-facts.ts';
import { SaleFields } from './sale-form.ts';
import type { MessageKey, T } from './messages.ts';
import { textIn } from './form.ts';

const FACT_TEXTS: Readonly<Record<keyof SaleFacts, MessageKey>> = {
  name: 'form.name',
  price: 'form.price',
  units_per_shopper: 'units-per-shopper',
  start_time: 'start',
  end_time: 'end',
  description: 'form.description',
  image_url: 'form.image',
};

/** Creates a sale. */
export function createAction({ call, t, locale }: Console): Action {
  return {
    title: t('action.create'),
    fields: html`<${SaleFields} />`,
    effect: (form) => {
      const { price, units_per_shopper: each, start_time: startTime, end_time: endTime } = factsOf(form);
      const units = textIn(form, 'seckill_stock');
      const at = (time: string): string => timeText(time === '' ? null : time, locale);
      return t('effect.create', { units, price, each, start: at(startTime), end: at(endTime) });
    },
    async run(form) {
      const { description, image_url: imageUrl, ...facts } = factsOf(form);
      const opensAt = roomOpensAt(form);
      const made = await call<Product>('POST', 'products', {
        body: {
          ...facts,
          stock: Number(textIn(form, 'stock')),
          seckill_stock: Number(textIn(form, 'seckill_stock')),
          ...(description === null ? {} : { description }),
          ...(imageUrl === null ? {} : { image_url: imageUrl }),
          ...(opensAt === undefined ? {} : { waiting_room: { opens_at: opensAt } }),
        },
      });
      location.hash = `#/sales/${made.id}`;
      return t('done', { what: `${t('action.create')} ${nameOf(made)}` });
    },
  };
}

function editAction({ call, t }: Console, sale: Product): Action {
  const isStarted = Date.parse(sale.start_time) <= Date.now() && sale.status !== 'scheduled';
  const namesOf = (form: FormData): string =>
    Object.keys(changesOf(form, sale))
      .map((fact) => t(FACT_TEXTS[fact as keyof SaleFacts]))
      .join(', ');
  return {
    title: t('action.edit'),
    fields: html`<${SaleFields} sale=${sale} isStarted=${isStarted} />`,
    isReady: (form) => Object.keys(changesOf(form, sale)).length > 0,
    effect: (form) => {
      const facts = namesOf(form);
      return facts === '' ? t('effect.edit-none') : t('effect.edit', { facts, sale: nameOf(sale) });
    },
    async run(form) {
      await call('PATCH', `products/${sale.id}`, { body: changesOf(form, sale) });
    },
  };
}

function topUpAction({ call, t }: Console, sale: Product): Action {
  return {
    title: t('action.top-up'),
    fields: html`
      <label>
        ${t('form.total')}
        <input
          name="units"
          type="number"
          required
          min=${sale.seckill_stock + 1}
          defaultValue=${sale.seckill_stock + 1}
        />
      </label>
      <label>
        ${t('form.stock')}
        <input name="stock" type="number" required min=${sale.stock} max="1000000000" defaultValue=${sale.stock} />
      </label>
    `,
    effect: t('effect.top-up', { sale: nameOf(sale), units: sale.seckill_stock }),
    async run(form) {
      const body = { seckill_stock: Number(textIn(form, 'units')), stock: Number(textIn(form, 'stock')) };
      await call('POST', `products/${sale.id}/top-up`, { body });
    },
  };
}

const auditText = ({ verdict, findings }: Audit, t: T): string =>
  t('audit.result', { verdict, findings: findings.join(' ') });

/** An action of one call without fields. */
function callAction(
  { call, t }: Console,
  sale: Product,
  name: 'pause' | 'resume' | 'end' | 'audit' | 'repair' | 'rebuild',
): Action {
  const known = { sale: nameOf(sale), units: sale.seckill_stock, available: sale.available ?? t('unknown') };
  return {
    title: t(`action.${name}`),
    effect: t(`effect.${name}`, known),
    isFinal: name === 'end',
    async run() {
      const answer = await call<object>('POST', `products/${sale.id}/${name}`);
      return 'verdict' in answer ? auditText(answer as Audit, t) : undefined;
    },
  };
}

function deleteAction({ call, t }: Console, sale: Product): Action {
  return {
    title: t('action.delete'),
    effect: t('effect.delete', { sale: nameOf(sale) }),
    isFinal: true,
    async run() {
      await call('DELETE', `products/${sale.id}`);
      location.hash = '#/sales';
    },
  };
}

interface SaleActionsProps {
  readonly sale: Product;
  readonly onDone: () => void;
}

/** Everything that an operator can do with a sale. */
export function SaleActions({ sale, onDone }: SaleActionsProps) {
  const console = useConsole();
  const { t } = console;
  const calls = [sale.status === 'paused' ? 'resume' : 'pause', 'end', 'audit', 'repair', 'rebuild'] as const;
  const isOver = sale.status === 'ended';
  const shown = calls.filter((name) => !isOver || (name !== 'pause' && name !== 'resume' && name !== 'end'));
  const button = (name: 'edit' | 'top-up' | (typeof calls)[number], action: () => Action) =>
    html`<${ActionButton} key=${name} label=${t(`action.${name}`)} action=${action} onDone=${onDone} />`;
  // A deleted sale is not read again, so nothing follows its deletion.
  return html`
    <div class="buttons" role="group" aria-label=${t('sale.actions')}>
      ${!isOver && button('edit', () => editAction(console, sale))}
      ${!isOver && button('top-up', () => topUpAction(console, sale))}
      ${shown.map((name) => button(name, () => callAction(console, sale, name)))}
      <${ActionButton} key="delete" label=${t('action.delete')} action=${() => deleteAction(console, sale)} />
    </div>
  `;
}
