import type { ProcessFigures, SaleFigures, ShardFigures } from '../client/operator-types.ts';
import { html } from '../ui/html.ts';
import { Chart } from './chart.ts';
import { useConsole, useLive } from './context.ts';
import { refusedOf, type Point } from './figures.ts';
import { ageText, numberText, shareText, timeText } from './format.ts';
import { Status, Table } from './table.ts';

/** The first view: what happens now, over all live sales. */
export function LiveView() {
  const { t, locale } = useConsole();
  const { figures } = useLive();
  const { latest } = figures;
  if (latest === undefined) return html`<p>${t('loading')}</p>`;
  const hidden = latest.shards.reduce((sum, { hidden_sales: hiddenSales }) => sum + hiddenSales, 0);
  const sales = [...figures.sales.values()].toSorted((a, b) => b.id - a.id);
  return html`
    <h1>${t('live.title')}</h1>
    <p class="help">${t('live.help')}</p>
    ${sales
      .filter(({ gap }) => gap !== null && gap !== 0)
      .map(({ id, gap }) => html`<p role="alert" class="failure">${t('live.gap', { sale: id, gap: gap! })}</p>`)}
    <div class="charts">
      <${Chart}
        title=${t('chart.rates')}
        lines=${['accepted', 'written', 'paid', 'refused']}
        points=${figures.points()}
      />
      <${Chart} title=${t('chart.levels')} lines=${['available', 'backlog']} points=${figures.points()} />
    </div>
    <${SalesNow} sales=${sales} pointOf=${(id: number) => figures.points(id).at(-1)} />
    ${hidden > 0 && html`<p>${t('live.hidden', { count: numberText(hidden, locale) })}</p>`}
    <${Processes} processes=${latest.processes ?? []} />
    <${Queues} shards=${latest.shards} />
  `;
}

interface SalesNowProps {
  readonly sales: readonly SaleFigures[];
  readonly pointOf: (id: number) => Point | undefined;
}

function SalesNow({ sales, pointOf }: SalesNowProps) {
  const { t, locale } = useConsole();
  const number = (value: number | null | undefined): string => numberText(value, locale);
  const rate = (name: 'accepted' | 'written' | 'paid' | 'refused') => ({
    title: `${t(name)}/s`,
    cell: ({ id }: SaleFigures) => numberText(pointOf(id)?.[name], locale, 1),
    isNumber: true,
  });
  return html`<${Table}
    caption=${t('live.title')}
    rows=${sales}
    keyOf=${({ id }: SaleFigures) => id}
    columns=${[
      {
        title: t('sale'),
        cell: ({ id, name }: SaleFigures) => html`<a href=${`console#/sales/${id}`}>${id} ${name}</a>`,
      },
      { title: t('status'), cell: ({ status }: SaleFigures) => html`<${Status} value=${status} />` },
      rate('accepted'),
      rate('refused'),
      rate('written'),
      rate('paid'),
      { title: t('available'), cell: ({ available }: SaleFigures) => number(available), isNumber: true },
      { title: t('held'), cell: ({ held }: SaleFigures) => number(held), isNumber: true },
      { title: t('units'), cell: ({ units }: SaleFigures) => number(units), isNumber: true },
      { title: t('gap'), cell: ({ gap }: SaleFigures) => number(gap), isNumber: true },
      { title: t('backlog'), cell: ({ backlog }: SaleFigures) => number(backlog), isNumber: true },
      { title: t('oldest'), cell: ({ oldest_ms: oldestMs }: SaleFigures) => ageText(oldestMs, locale), isNumber: true },
      {
        title: `Σ ${t('accepted')}`,
        cell: ({ accepted }: SaleFigures) => html`<span data-total="accepted">${number(accepted)}</span>`,
        isNumber: true,
      },
      { title: `Σ ${t('refused')}`, cell: (sale: SaleFigures) => number(refusedOf(sale)), isNumber: true },
      { title: `Σ ${t('written')}`, cell: ({ written }: SaleFigures) => number(written), isNumber: true },
      { title: `Σ ${t('paid')}`, cell: ({ paid }: SaleFigures) => number(paid), isNumber: true },
    ]}
  />`;
}

function Processes({ processes }: { readonly processes: readonly ProcessFigures[] }) {
  const { t, locale } = useConsole();
  return html`
    <h2>${t('processes.title')}</h2>
    <${Table}
      caption=${t('processes.title')}
      rows=${processes}
      keyOf=${({ name }: ProcessFigures) => name}
      columns=${[
        { title: t('processes.kind'), cell: ({ kind, pid }: ProcessFigures) => `${kind} ${pid}` },
        { title: t('processes.host'), cell: ({ host }: ProcessFigures) => host },
        {
          title: t('processes.since'),
          cell: ({ started_at: startedAt }: ProcessFigures) => timeText(startedAt, locale),
        },
        { title: t('processes.cpu'), cell: ({ cpu }: ProcessFigures) => shareText(cpu, locale), isNumber: true },
        { title: t('processes.busy'), cell: ({ busy }: ProcessFigures) => shareText(busy, locale), isNumber: true },
        {
          title: t('processes.memory'),
          cell: ({ memory_bytes: memoryBytes }: ProcessFigures) => `${numberText(memoryBytes / 1_048_576, locale)} MiB`,
          isNumber: true,
        },
      ]}
    />
  `;
}

function Queues({ shards }: { readonly shards: readonly ShardFigures[] }) {
  const { t, locale } = useConsole();
  const states = ['waiting', 'active', 'delayed', 'failed'] as const;
  return html`
    <h2>${t('queues.title')}</h2>
    <${Table}
      caption=${t('queues.title')}
      rows=${shards}
      keyOf=${({ shard }: ShardFigures) => shard}
      columns=${[
        {
          title: t('queues.shard'),
          cell: ({ shard }: ShardFigures) => html`<a href="admin/queues/">${shard}</a>`,
        },
        ...states.map((state) => ({
          title: t(`queues.${state}`),
          cell: ({ jobs }: ShardFigures) => numberText(jobs?.[state], locale),
          isNumber: true,
        })),
        {
          title: t('oldest'),
          cell: ({ oldest_ms: oldestMs }: ShardFigures) => ageText(oldestMs, locale),
          isNumber: true,
        },
      ]}
    />
  `;
}
