import type { Sale, Product, Stats } from '../client/operator-types.ts';
import { useState } from 'preact/hooks';
import { html } from '../ui/html.ts';
import { Chart } from './chart.ts';
import { useCall, useConsole, useLive } from './context.ts';
import { ActionButton } from './dialog.ts';
import { numberText, timeText } from './format.ts';
import { List } from './pages.ts';
import { createAction, SaleActions } from './sale-actions.ts';
import { Status, Table } from './table.ts';
import { WaitingRoom } from './waiting-room.ts';

/** All sales, newest first, and the button for a new one. */
export function SalesView() {
  const console = useConsole();
  const { t, locale } = console;
  const number = (value: number | null): string => numberText(value, locale);
  const show = (sales: readonly Sale[]) =>
    html`<${Table}
      caption=${t('sales.title')}
      rows=${sales}
      keyOf=${({ id }: Sale) => id}
      columns=${[
        {
          title: t('sale'),
          cell: ({ id, name }: Sale) => html`<a href=${`console#/sales/${id}`}>${id} ${name}</a>`,
        },
        { title: t('status'), cell: ({ status }: Sale) => html`<${Status} value=${status} />` },
        { title: t('price'), cell: ({ price }: Sale) => numberText(price, locale, 2), isNumber: true },
        { title: t('units'), cell: (sale: Sale) => number(sale.seckill_stock), isNumber: true },
        { title: t('available'), cell: ({ available }: Sale) => number(available), isNumber: true },
        { title: t('sold'), cell: ({ sold }: Sale) => number(sold), isNumber: true },
        { title: t('backlog'), cell: ({ backlog }: Sale) => number(backlog), isNumber: true },
        { title: t('start'), cell: ({ start_time: startTime }: Sale) => timeText(startTime, locale) },
        { title: t('end'), cell: ({ end_time: endTime }: Sale) => timeText(endTime, locale) },
      ]}
    />`;
  return html`
    <h1>${t('sales.title')}</h1>
    <div class="buttons">
      <${ActionButton} label=${t('sales.create')} action=${() => createAction(console)} />
    </div>
    <${List} path="products" show=${show} />
  `;
}

/** One sale: its figures, its facts and what can be done with it. */
export function SaleView({ id }: { readonly id: number }) {
  const { t, call, locale } = useConsole();
  const { figures } = useLive();
  const [version, setVersion] = useState(0);
  const product = useCall(() => call<Product>('GET', `../products/${id}`), [id, version]);
  const stats = useCall(() => call<Stats>('GET', `products/${id}/stats`), [id, version]);
  const failure = product.failure ?? stats.failure;
  if (failure !== undefined) return html`<p role="alert" class="failure">${failure}</p>`;
  const sale = product.answer;
  if (sale === undefined) return html`<p>${t('loading')}</p>`;
  const live = figures.sales.get(id);
  const counts = Object.entries(live?.refused ?? refusedIn(stats.answer)).toSorted((a, b) => b[1] - a[1]);
  return html`
    <p><a href="console#/sales">${t('sale.back')}</a></p>
    <h1>${t('sale.title', { id, name: sale.name })}</h1>
    <p>
      <${Status} value=${live?.status ?? sale.status} />
      <a href=${`console#/orders?product_id=${id}`}>${t('sale.orders')}</a>
    </p>
    <${SaleActions}
      sale=${live === undefined ? sale : { ...sale, status: live.status, available: live.available }}
      onDone=${() => setVersion(version + 1)}
    />
    ${
      live !== undefined &&
      html`
        <div class="charts">
          <${Chart}
            title=${t('chart.rates')}
            lines=${['accepted', 'written', 'paid', 'refused']}
            points=${figures.points(id)}
          />
          <${Chart} title=${t('chart.levels')} lines=${['available', 'backlog']} points=${figures.points(id)} />
        </div>
      `
    }
    <${WaitingRoom} sale=${sale} live=${live} points=${figures.points(id)} onDone=${() => setVersion(version + 1)} />
    <div class="columns">
      <section>
        <h2>${t('sale.facts')}</h2>
        <${Facts} sale=${sale} />
      </section>
      <section>
        <h2>${t('sale.stats')}</h2>
        ${stats.answer !== undefined && html`<${Totals} stats=${stats.answer} />`}
      </section>
      <section>
        <h2>${t('sale.refused')}</h2>
        ${
          counts.length === 0
            ? html`<p class="none">${t('none')}</p>`
            : html`<dl>
                ${counts.map(
                  ([code, count]) =>
                    html`<dt>${code}</dt>
                      <dd>${numberText(count, locale)}</dd>`,
                )}
              </dl>`
        }
      </section>
    </div>
  `;
}

function refusedIn(stats: Stats | undefined): Record<string, number> {
  const { accepted: _, replayed: __, ...refused } = stats?.requests ?? {};
  return refused;
}

function Facts({ sale }: { readonly sale: Product }) {
  const { t, locale } = useConsole();
  return html`
    ${
      sale.image_url !== undefined &&
      html`<img class="product" src=${sale.image_url} alt="" referrerpolicy="no-referrer" />`
    }
    <dl>
      <dt>${t('price')}</dt>
      <dd>${numberText(sale.price, locale, 2)}</dd>
      <dt>${t('units')}</dt>
      <dd>${numberText(sale.seckill_stock, locale)}</dd>
      <dt>${t('units-per-shopper')}</dt>
      <dd>${numberText(sale.units_per_shopper, locale)}</dd>
      <dt>${t('form.stock')}</dt>
      <dd>${numberText(sale.stock, locale)}</dd>
      <dt>${t('start')}</dt>
      <dd>${timeText(sale.start_time, locale)}</dd>
      <dt>${t('end')}</dt>
      <dd>${timeText(sale.end_time, locale)}</dd>
    </dl>
    ${sale.description !== undefined && html`<p class="description">${sale.description}</p>`}
  `;
}

function Totals({ stats }: { readonly stats: Stats }) {
  const { t, locale } = useConsole();
  const names = ['accepted', 'written', 'paid', 'sold'] as const;
  const statuses = ['cancelled', 'expired', 'refunded', 'failed'] as const;
  return html`
    <dl>
      ${names.map(
        (name) =>
          html`<dt>${t(name)}</dt>
            <dd>${numberText(stats[name], locale)}</dd>`,
      )}
      ${statuses.map(
        (name) =>
          html`<dt>${t(`status.${name}`)}</dt>
            <dd>${numberText(stats[name], locale)}</dd>`,
      )}
      <dt>${t('revenue')}</dt>
      <dd>${numberText(stats.revenue, locale, 2)} ${stats.currency}</dd>
    </dl>
  `;
}
