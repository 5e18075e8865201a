import { textTable } from '@flash-sale/shared/platform/process/text-table.ts';
import type { Sale } from '@flash-sale/web/operator-types';
import { percentile } from '../load/statistics.ts';
import type { Step, Tally } from './tally.ts';

const HEADINGS = ['time', 'arrived', 'here', 'ordered', 'paid', 'cancelled', 'sold out', 'units left'];
const WIDTH = 11;

const row = (cells: readonly string[]): string => cells.map((cell) => cell.padStart(WIDTH)).join('');

export const progressHeading = (): string => row(HEADINGS);

/** The crowd at this moment, under the heading. */
export function progressLine(tally: Tally, passedMs: number, sale: Sale | undefined): string {
  const { arrived, ordered, visits } = tally;
  const ended = (ending: string): number => tally.count((visit) => visit.ending === ending);
  const counts = [arrived, arrived - visits.length, ordered, ended('paid'), ended('cancelled'), ended('sold_out')];
  return row([`${Math.round(passedMs / 1_000)} s`, ...counts.map(String), String(sale?.available ?? '-')]);
}

const STEPS: Readonly<Record<Step, string>> = {
  token: 'seckill token',
  buy: 'buy',
  order: 'accepted to written',
};

const ENDINGS: Readonly<Record<string, string>> = {
  pending_payment: 'not paid yet',
  gave_up: 'gave up waiting',
};

const ms = (value: number): string => (Number.isNaN(value) ? '-' : `${Math.round(value)} ms`);

/** Who got what, how long it took, and what is left of the sale. */
export function summary(tally: Tally, sale: Sale, passedMs: number): string {
  const endings = Map.groupBy(tally.visits, ({ ending }) => ending);
  const got = [...endings]
    .map(([ending, visits]) => [ENDINGS[ending] ?? ending.replaceAll('_', ' '), visits.length] as const)
    .toSorted(([, a], [, b]) => b - a);
  const latencies = Object.entries(STEPS).map(([step, name]) => {
    const sorted = Float64Array.from(tally.latenciesMs[step as Step]).toSorted();
    return [name, String(sorted.length), ...[0.5, 0.95, 0.99].map((part) => ms(percentile(sorted, part)))];
  });
  const refusals = [...tally.refusals].map(([code, count]) => `${code} ${count}`);
  if (tally.unanswered > 0) refusals.push(`no answer ${tally.unanswered}`);
  return [
    `${tally.visits.length} shoppers in ${(passedMs / 1_000).toFixed(1)} s`,
    textTable(
      got.map(([ending, count]) => [ending, String(count)]),
      { isRight: (column) => column === 1 },
    ),
    textTable([['', 'answers', 'p50', 'p95', 'p99'], ...latencies]),
    ...(refusals.length === 0 ? [] : [`refused calls: ${refusals.join(', ')}`]),
    `sale ${sale.id}: ${sale.sold} sold + ${sale.available ?? '?'} left = ${sale.seckill_stock} units`,
  ].join('\n\n');
}
