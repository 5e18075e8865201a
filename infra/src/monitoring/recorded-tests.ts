import { rawSeries, labelsAt, type Series } from './prometheus-api.ts';
import { secondsOf, selectorsOf, type Alert } from './rules.ts';

/** The scrape interval of Prometheus in production, and of the recorded series. */
export const STEP_S = 5;
/** How long before the range of the alert the series begin. */
const BEFORE_S = 30;
/**
 * How long after it the series end: scrapes and rules are not in step, and the last values do not
 * matter.
 */
const AFTER_S = 20;
/**
 * The maximum length. Longer ranges are for counters that change once, and their tests do not need
 * more.
 */
const WINDOW_MAX_S = 480;

/** The first time that an alert fired. */
export interface Fired {
  readonly alert: Alert;
  readonly timeS: number;
}

/** The first time that this alert fired, if it did. */
export async function firstFired(prometheus: string, alert: Alert, sinceS: number): Promise<Fired | undefined> {
  const nowS = Date.now() / 1_000;
  const series = await rawSeries(prometheus, firing(alert), nowS - sinceS, nowS);
  const times = series.map(({ values }) => values[0]![0]);
  return times.length === 0 ? undefined : { alert, timeS: Math.min(...times) };
}

const firing = ({ alert }: Alert): string => `ALERTS{alertname="${alert}",alertstate="firing"}`;

/**
 * A unit test for promtool: the series that were scraped before the alert fired. The alert must not
 * fire at their beginning, and must fire at their end.
 */
export async function recordedTest(prometheus: string, { alert, timeS }: Fired): Promise<object> {
  const windowS = Math.min(WINDOW_MAX_S, secondsOf(alert) + BEFORE_S);
  const startS = timeS - windowS;
  const endS = timeS + AFTER_S;
  const steps = Math.round((endS - startS) / STEP_S);
  const series = await Promise.all(
    selectorsOf(alert.expr).map((selector) => rawSeries(prometheus, selector, endS - startS, endS)),
  );
  const labels = await labelsAt(prometheus, firing(alert), endS);
  const expected = labels.map((metric) => ({ labels: nameOf(metric), value: 1 }));
  return {
    name: `${alert.alert}, as it was recorded`,
    interval: `${STEP_S}s`,
    input_series: series.flat().map((one) => ({ series: nameOf(one.metric), values: valuesOf(one, startS, steps) })),
    promql_expr_test: [
      { expr: firing(alert), eval_time: '0s', exp_samples: [] },
      { expr: firing(alert), eval_time: `${steps * STEP_S}s`, exp_samples: expected },
    ],
  };
}

/** Labels as a selector, without those that differ between runs. */
function nameOf({ __name__: name, ...labels }: Series['metric']): string {
  const pairs = Object.entries(labels).filter(([label]) => label !== 'process');
  return `${name}{${pairs.map(([label, value]) => `${label}=${JSON.stringify(value)}`).join(',')}}`;
}

/**
 * The values on a grid of steps, in promtool's notation: `_` for a missing value, `stale` if a
 * series ended.
 */
export function valuesOf({ values }: Series, startS: number, steps: number): string {
  const grid: (string | undefined)[] = Array.from({ length: steps + 1 }, () => undefined);
  // Count steps from the first sample, so that a scrape between two steps is not rounded up once
  // and down the next time.
  const [firstS] = values[0]!;
  const firstStep = Math.round((firstS - startS) / STEP_S);
  for (const [timeS, value] of values) {
    const step = firstStep + Math.round((timeS - firstS) / STEP_S);
    if (step >= 0 && step <= steps) grid[step] = value;
  }
  // Nobody asked for the value of the last step, so a missing one means nothing.
  if (grid.at(-1) === undefined) grid.pop();
  const words: { word: string; count: number }[] = [];
  let isThere = false;
  for (const value of grid) {
    const word = value ?? (isThere ? 'stale' : '_');
    isThere = value !== undefined;
    if (words.at(-1)?.word === word) words.at(-1)!.count += 1;
    else words.push({ word, count: 1 });
  }
  return words.map(({ word, count }) => (count === 1 ? word : `${word}x${word === '_' ? count : count - 1}`)).join(' ');
}
