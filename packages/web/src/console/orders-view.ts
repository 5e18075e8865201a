import type { Order, OrderFile, Payment } from '../client/operator-types.ts';
import { useState } from 'preact/hooks';
import { html } from '../ui/html.ts';
import { useCall, useConsole, type Console } from './context.ts';
import { ActionButton, type Action } from './dialog.ts';
import { numberText, timeText } from './format.ts';
import { downloadCsv } from './csv-file.ts';
import { List } from './pages.ts';
import { Status, Table } from './table.ts';
import { textIn } from './form.ts';

const STATUSES = ['pending_payment', 'paid', 'cancelled', 'expired', 'refunded', 'failed'] as const;
const FIELDS = ['order_no', 'user_id', 'product_id', 'status'] as const;
type Filter = Readonly<Partial<Record<(typeof FIELDS)[number], string>>>;

function filterOf(form: HTMLFormElement): Filter {
  const data = new FormData(form);
  const given = FIELDS.map((name) => [name, textIn(data, name).trim()] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== ''));
}

/** Finds and lists orders. */
export function OrdersView({ productId }: { readonly productId?: string | undefined }) {
  const console = useConsole();
  const { t } = console;
  const [filter, setFilter] = useState<Filter>(productId === undefined ? {} : { product_id: productId });
  const [version, setVersion] = useState(0);
  const submit = (event: Event): void => {
    event.preventDefault();
    setFilter(filterOf(event.currentTarget as HTMLFormElement));
    setVersion(version + 1);
  };
  const download = async (event: MouseEvent): Promise<void> => {
    const { order_no: _, ...wanted } = filterOf((event.currentTarget as HTMLButtonElement).form!);
    await downloadCsv(console, wanted);
  };
  return html`
    <h1>${t('orders.title')}</h1>
    <form class="filter" onSubmit=${submit}>
      <label>${t('orders.number')} <input name="order_no" maxlength="53" spellcheck=${false} /></label>
      <label>${t('orders.shopper')} <input name="user_id" maxlength="255" spellcheck=${false} /></label>
      <label>
        ${t('orders.sale')}
        <input name="product_id" inputmode="numeric" pattern="[0-9]*" defaultValue=${productId ?? ''} />
      </label>
      <label>
        ${t('status')}
        <select name="status">
          <option value="">${t('orders.any')}</option>
          ${STATUSES.map((status) => html`<option value=${status}>${t(`status.${status}`)}</option>`)}
        </select>
      </label>
      <div class="buttons">
        <button type="submit" class="primary">${t('orders.find')}</button>
        <button type="button" onClick=${(event: MouseEvent) => void download(event)}>${t('orders.csv')}</button>
      </div>
    </form>
    <p class="help">${t('orders.ledger')}</p>
    <${List}
      path="orders"
      query=${filter}
      version=${version}
      show=${(orders: readonly Order[]) => html`<${Orders} orders=${orders} />`}
    />
  `;
}

function Orders({ orders }: { readonly orders: readonly Order[] }) {
  const { t, locale } = useConsole();
  return html`<${Table}
    caption=${t('orders.title')}
    rows=${orders}
    keyOf=${({ order_no: orderNo }: Order) => orderNo}
    columns=${[
      {
        title: t('orders.number'),
        cell: ({ order_no: orderNo }: Order) =>
          html`<a class="code" href=${`console#/orders/${orderNo}`}>${orderNo}</a>`,
      },
      { title: t('status'), cell: ({ status }: Order) => html`<${Status} value=${status} />` },
      { title: t('orders.shopper'), cell: ({ user_id: userId }: Order) => userId },
      {
        title: t('sale'),
        cell: ({ product_id: productId }: Order) => html`<a href=${`console#/sales/${productId}`}>${productId}</a>`,
        isNumber: true,
      },
      { title: t('quantity'), cell: ({ quantity }: Order) => numberText(quantity, locale), isNumber: true },
      { title: t('total'), cell: ({ total }: Order) => numberText(total, locale, 2), isNumber: true },
      { title: t('orders.created'), cell: ({ created_at: createdAt }: Order) => timeText(createdAt, locale) },
    ]}
  />`;
}

/** One order with its history as a time line, and its payments. */
export function OrderView({ orderNo }: { readonly orderNo: string }) {
  const console = useConsole();
  const { t, call, locale } = console;
  const {
    answer: order,
    failure,
    reload,
  } = useCall(() => call<OrderFile>('GET', `orders/${encodeURIComponent(orderNo)}`), [orderNo]);
  if (failure !== undefined) return html`<p role="alert" class="failure">${failure}</p>`;
  if (order === undefined) return html`<p>${t('loading')}</p>`;
  return html`
    <p><a href="console#/orders">${t('orders.title')}</a></p>
    <h1>${t('order.title', { order: '' })}<span class="code">${order.order_no}</span></h1>
    <p><${Status} value=${order.status} /></p>
    <div class="buttons">
      <button type="button" onClick=${reload}>${t('reload')}</button>
      ${
        order.status === 'paid' &&
        html`<${ActionButton}
          label=${t('action.refund')}
          action=${() => refundAction(console, order)}
          onDone=${reload}
        />`
      }
    </div>
    <dl>
      <dt>${t('orders.shopper')}</dt>
      <dd>${order.user_id}</dd>
      <dt>${t('sale')}</dt>
      <dd><a href=${`console#/sales/${order.product_id}`}>${order.product_id}</a></dd>
      <dt>${t('price')}</dt>
      <dd>${numberText(order.price, locale, 2)}</dd>
      <dt>${t('quantity')}</dt>
      <dd>${numberText(order.quantity, locale)}</dd>
      <dt>${t('total')}</dt>
      <dd>${numberText(order.total, locale, 2)}</dd>
    </dl>
    <h2>${t('order.history')}</h2>
    <${TimeLine} order=${order} />
    <h2>${t('order.payments')}</h2>
    <${Payments} payments=${order.payments} />
  `;
}

function refundAction({ call, t, locale }: Console, order: Order): Action {
  const { order_no: orderNo, quantity, total, user_id: userId } = order;
  return {
    title: t('action.refund'),
    effect: t('effect.refund', { total: numberText(total, locale, 2), quantity, order: orderNo, user: userId }),
    isFinal: true,
    async run() {
      await call('POST', `orders/${encodeURIComponent(orderNo)}/refund`);
    },
  };
}

function TimeLine({ order }: { readonly order: OrderFile }) {
  const { t, locale } = useConsole();
  const statusText = (status: string): string => t(`status.${status}` as Parameters<typeof t>[0]);
  return html`
    <ol class="time-line">
      <li>
        <time datetime=${order.created_at}>${timeText(order.created_at, locale)}</time>
        <span>${t('order.accepted')}</span>
        ${order.reason !== undefined && html`<span class="reason">${order.reason}</span>`}
      </li>
      ${order.history.map(
        ({ from_status: fromStatus, to_status: toStatus, actor, reason, time }) => html`
          <li>
            <time datetime=${time}>${timeText(time, locale)}</time>
            <span>${t('order.moved', { from: statusText(fromStatus), to: statusText(toStatus) })}</span>
            <span>${t('order.by', { actor })}</span>
            ${reason !== null && html`<span class="reason">${reason}</span>`}
          </li>
        `,
      )}
    </ol>
  `;
}

function Payments({ payments }: { readonly payments: readonly Payment[] }) {
  const { t, locale } = useConsole();
  return html`<${Table}
    caption=${t('order.payments')}
    rows=${payments}
    keyOf=${({ payment_id: paymentId }: Payment) => paymentId}
    columns=${[
      { title: t('payment.provider'), cell: ({ provider }: Payment) => provider },
      { title: t('payment.reference'), cell: ({ provider_ref: providerRef }: Payment) => providerRef ?? '–' },
      { title: t('status'), cell: ({ status }: Payment) => status },
      {
        title: t('total'),
        cell: ({ amount, currency }: Payment) => `${numberText(amount, locale, 2)} ${currency}`,
        isNumber: true,
      },
      { title: t('time'), cell: ({ updated_at: updatedAt }: Payment) => timeText(updatedAt, locale) },
      {
        title: t('payment.remark'),
        cell: ({ note, last_error: lastError }: Payment) =>
          [note, lastError].filter((part) => part !== null).join('; '),
      },
    ]}
  />`;
}
