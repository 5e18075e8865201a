import type { Job, OrderEvents, ProblemPayment } from '../client/operator-types.ts';
import { useState } from 'preact/hooks';
import { html } from '../ui/html.ts';
import { useCall, useConsole, type Console } from './context.ts';
import { ActionButton, type Action } from './dialog.ts';
import { numberText, timeText } from './format.ts';
import { List } from './pages.ts';
import { Table } from './table.ts';

/** What waits or fails: payments, order events and jobs; and the secret of seckill tokens. */
export function ProblemsView() {
  const console = useConsole();
  const { t } = console;
  const [version, setVersion] = useState(0);
  const again = (): void => setVersion(version + 1);
  return html`
    <h1>${t('nav.problems')}</h1>
    <button type="button" onClick=${again}>${t('reload')}</button>
    <h2>${t('problems.payments')}</h2>
    <${List}
      path="payments"
      version=${version}
      show=${(payments: readonly ProblemPayment[]) => html`<${Payments} payments=${payments} />`}
    />
    <h2>${t('problems.events')}</h2>
    <div class="buttons">
      <${ActionButton} label=${t('action.retry')} action=${() => eventsAction(console, 'retry')} onDone=${again} />
      <${ActionButton} label=${t('action.discard')} action=${() => eventsAction(console, 'discard')} onDone=${again} />
    </div>
    <${List}
      path="order-events"
      version=${version}
      show=${(events: readonly OrderEvents[]) => html`<${Events} events=${events} />`}
    />
    <h2>${t('problems.jobs')}</h2>
    <${Jobs} version=${version} />
    <h2>${t('problems.secret')}</h2>
    <div class="buttons">
      <${ActionButton} label=${t('action.rotate')} action=${() => rotateAction(console)} />
    </div>
  `;
}

function eventsAction({ call, t }: Console, name: 'retry' | 'discard'): Action {
  return {
    title: t(`action.${name}`),
    effect: t(`effect.${name}`),
    isFinal: name === 'discard',
    async run() {
      const answer = await call<{ retried?: number; discarded?: number }>('POST', `order-events/${name}`);
      return t('done', { what: `${t(`action.${name}`)}: ${answer.retried ?? answer.discarded ?? 0}` });
    },
  };
}

function rotateAction({ call, t }: Console): Action {
  return {
    title: t('action.rotate'),
    effect: t('effect.rotate'),
    async run() {
      await call('POST', 'token-secrets/rotate');
    },
  };
}

function Payments({ payments }: { readonly payments: readonly ProblemPayment[] }) {
  const { t, locale } = useConsole();
  return html`<${Table}
    caption=${t('problems.payments')}
    rows=${payments}
    keyOf=${({ payment_id: paymentId }: ProblemPayment) => paymentId}
    columns=${[
      {
        title: t('orders.number'),
        cell: ({ order_no: orderNo }: ProblemPayment) =>
          html`<a class="code" href=${`console#/orders/${orderNo}`}>${orderNo}</a>`,
      },
      { title: t('problems.problem'), cell: ({ problems }: ProblemPayment) => problems.join(', ') },
      { title: t('status'), cell: ({ status }: ProblemPayment) => status },
      {
        title: t('price'),
        cell: ({ amount, currency }: ProblemPayment) => `${numberText(amount, locale, 2)} ${currency}`,
        isNumber: true,
      },
      { title: t('time'), cell: ({ updated_at: updatedAt }: ProblemPayment) => timeText(updatedAt, locale) },
      { title: t('problems.attempts'), cell: ({ attempts }: ProblemPayment) => attempts, isNumber: true },
      {
        title: t('problems.error'),
        cell: ({ note, last_error: lastError }: ProblemPayment) =>
          [note, lastError].filter((part) => part !== null).join('; '),
      },
    ]}
  />`;
}

function Events({ events }: { readonly events: readonly OrderEvents[] }) {
  const { t, locale } = useConsole();
  return html`<${Table}
    caption=${t('problems.events')}
    rows=${events}
    keyOf=${({ id }: OrderEvents) => id}
    columns=${[
      { title: t('time'), cell: ({ time }: OrderEvents) => timeText(time, locale) },
      { title: t('sale'), cell: ({ product_id: productId }: OrderEvents) => productId, isNumber: true },
      { title: t('status'), cell: ({ status }: OrderEvents) => status },
      { title: t('problems.orders'), cell: ({ orders }: OrderEvents) => orders, isNumber: true },
      {
        title: t('problems.attempts'),
        cell: ({ attempts, dead_at: deadAt }: OrderEvents) =>
          deadAt === null ? attempts : `${attempts}, ${t('problems.dead')}`,
        isNumber: true,
      },
      { title: t('problems.error'), cell: ({ last_error: lastError }: OrderEvents) => lastError ?? '' },
    ]}
  />`;
}

function Jobs({ version }: { readonly version: number }) {
  const { t, call, locale } = useConsole();
  const { answer, failure } = useCall(() => call<{ items: readonly Job[] }>('GET', 'jobs'), [version]);
  if (failure !== undefined) return html`<p role="alert" class="failure">${failure}</p>`;
  if (answer === undefined) return html`<p>${t('loading')}</p>`;
  return html`<${Table}
    caption=${t('problems.jobs')}
    rows=${answer.items}
    keyOf=${({ job_id: jobId, sale_id: saleId }: Job) => `${jobId} ${saleId}`}
    columns=${[
      { title: t('time'), cell: ({ added_at: addedAt }: Job) => timeText(addedAt, locale) },
      { title: t('sale'), cell: ({ sale_id: saleId }: Job) => saleId, isNumber: true },
      { title: t('status'), cell: ({ state }: Job) => state },
      { title: t('problems.orders'), cell: ({ orders }: Job) => orders, isNumber: true },
      { title: t('problems.attempts'), cell: ({ attempts }: Job) => attempts, isNumber: true },
      { title: t('problems.error'), cell: ({ error }: Job) => error ?? '' },
    ]}
  />`;
}
