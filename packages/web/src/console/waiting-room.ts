import { useEffect, useState } from 'preact/hooks';
import type { Product, SaleFigures } from '../client/operator-types.ts';
import { html } from '../ui/html.ts';
import { Chart } from './chart.ts';
import { reasonOf, useConsole } from './context.ts';
import type { Point } from './figures.ts';
import { numberText, timeText } from './format.ts';

/** The rates of the slider: from one a second to as many as a large service takes. */
const RATES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000] as const;
/** The end of the slider: no limit of its own. */
const UNLIMITED = RATES.length;

interface Props {
  readonly sale: Product;
  readonly live: SaleFigures | undefined;
  readonly points: readonly Point[];
  readonly onDone: () => void;
}

/** The waiting room of a sale: who waits, who is inside, and how fast people are called. */
export function WaitingRoom({ sale, live, points, onDone }: Props) {
  const { t, locale, session } = useConsole();
  const { waiting_room: room } = sale;
  if (room === undefined) return null;
  const last = points.at(-1);
  return html`
    <section class="waiting-room" aria-labelledby="waiting-room">
      <h2 id="waiting-room">${t('room.title')}</h2>
      <dl>
        <dt>${t('room.opens')}</dt>
        <dd>${timeText(room.opens_at, locale)}</dd>
        <dt>${t('waiting')}</dt>
        <dd data-figure="waiting">${numberText(live?.waiting, locale)}</dd>
        <dt>${t('inside')}</dt>
        <dd data-figure="inside">${numberText(live?.inside, locale)}</dd>
        <dt>${t('called')}/s</dt>
        <dd>${numberText(last?.called, locale, 1)}</dd>
        <dt>${t('room.commitment')}</dt>
        <dd><code>${room.commitment.slice(0, 16)}…</code></dd>
      </dl>
      ${session.role === 'admin' && sale.status !== 'ended' && html`<${Rate} sale=${sale} room=${room} onDone=${onDone} />`}
      ${
        live !== undefined &&
        html`<div class="charts">
          <${Chart} title=${t('room.line')} lines=${['waiting', 'inside']} points=${points} />
          <${Chart} title=${t('room.calls')} lines=${['called', 'accepted']} points=${points} />
        </div>`
      }
    </section>
  `;
}

interface RateProps {
  readonly sale: Product;
  readonly room: NonNullable<Product['waiting_room']>;
  readonly onDone: () => void;
}

/** The slider of the rate. It holds from the next call on, so no confirmation is needed. */
function Rate({ sale, room, onDone }: RateProps) {
  const { t, call, locale, notify } = useConsole();
  const [step, setStep] = useState(stepOf(room.admit_per_second));
  useEffect(() => setStep(stepOf(room.admit_per_second)), [room.admit_per_second]);
  const textOf = (rate: number | null): string =>
    rate === null ? t('room.unlimited') : t('room.per-second', { rate: numberText(rate, locale) });

  const change = async (to: number): Promise<void> => {
    const rate = RATES[to] ?? null;
    try {
      await call('PATCH', `products/${sale.id}`, { body: { waiting_room: { admit_per_second: rate } } });
      notify(t('done', { what: textOf(rate) }));
      onDone();
    } catch (error) {
      setStep(stepOf(room.admit_per_second));
      notify(t('failed', { why: reasonOf(error, t) }));
    }
  };
  return html`
    <label class="rate">
      ${t('room.rate')}
      <input
        name="admit_per_second"
        type="range"
        min="0"
        max=${UNLIMITED}
        step="1"
        value=${step}
        aria-valuetext=${textOf(RATES[step] ?? null)}
        onInput=${(event: Event) => setStep(Number((event.target as HTMLInputElement).value))}
        onChange=${(event: Event) => void change(Number((event.target as HTMLInputElement).value))}
      />
      <output>${textOf(RATES[step] ?? null)}</output>
    </label>
  `;
}

/** The nearest step that is not slower. */
function stepOf(rate: number | null): number {
  const step = rate === null ? -1 : RATES.findIndex((each) => each >= rate);
  return step === -1 ? UNLIMITED : step;
}
