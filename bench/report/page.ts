import { textTable } from '@flash-sale/shared/platform/process/text-table.ts';
import { cpusPerTenThousand, type Capacity } from './capacity.ts';
import { beginOfHandWritten, end } from './marked-part.ts';
import { figure, figureNames, ratio, type ResultsJson, type Spread } from './results.ts';
import { LIMITS, RATIOS } from './targets.ts';
import { markdownTable } from './markdown-table.ts';

export const GAINS = 'gains';

const number = (value: number): string => {
  if (value >= 100) return Math.round(value).toLocaleString('en');
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
};
const range = ({ min, max }: Spread): string => `${number(min)} – ${number(max)}`;

/** A target with its measured value. */
export interface Verdict {
  readonly what: string;
  /** The measured value should be at most the target, not at least. */
  readonly isCost: boolean;
  readonly target: number;
  readonly measured: Spread | undefined;
  readonly unit: '×' | 'ms' | '/s';
  readonly isReached: boolean;
}

interface Target {
  readonly what: string;
  readonly isCost?: boolean;
  readonly target?: number;
}

function verdictOn({ what, isCost = false, target }: Target, unit: Verdict['unit'], measured?: Spread): Verdict[] {
  if (target === undefined) return [];
  const isReached = measured !== undefined && (isCost ? measured.median <= target : measured.median >= target);
  return [{ what, isCost, target, measured, unit, isReached }];
}

export function verdicts(results: ResultsJson): Verdict[] {
  return [
    ...LIMITS.filter(({ unit }) => unit === '/s').flatMap((limit) => verdictOn(limit, '/s', figure(results, limit.of))),
    ...RATIOS.flatMap((pair) => verdictOn(pair, '×', ratio(results, pair))),
    ...LIMITS.filter(({ unit }) => unit === 'ms').flatMap((limit) => verdictOn(limit, 'ms', figure(results, limit.of))),
  ];
}

/** The sign before the target: what is measured should be on that side of it. */
export const signOf = ({ isCost }: Verdict): string => (isCost ? '≤' : '≥');

function verdictRow(verdict: Verdict): string[] {
  const { what, target, measured, unit, isReached } = verdict;
  return [
    what,
    `${signOf(verdict)} ${target.toLocaleString('en')}${unit === '×' ? '' : ` ${unit}`}`,
    measured === undefined ? 'not measured' : `${number(measured.median)} ${unit}`,
    measured === undefined ? '' : range(measured),
    isReached ? 'reached' : 'missed',
  ];
}

/** The text at the end of a run. */
export function summary(results: ResultsJson): string {
  const figures = figureNames(results).map((name) => {
    const spread = figure(results, name)!;
    return [name, number(spread.median), range(spread)];
  });
  const ratios = RATIOS.flatMap((pair) => {
    const spread = ratio(results, pair);
    return spread === undefined ? [] : [[pair.what, spread.median.toFixed(2), range(spread)]];
  });
  const parts = [textTable([['figure', 'median', 'min – max'], ...figures])];
  if (ratios.length > 0) {
    parts.push(textTable([['ratio', 'median', 'min – max'], ...ratios]));
    parts.push(textTable([['target', '', 'median', 'min – max', ''], ...verdicts(results).map(verdictRow)]));
  }
  for (const { scenario, finding } of results.broken) parts.push(`NOT REPORTED, ${scenario}: ${finding}`);
  return parts.join('\n\n');
}

const WHAT: readonly (readonly [string, string])[] = [
  [
    'journey',
    'the whole journey of a shopper, which counts most: seckill token, buy (one in ten clicks twice), poll until settled; half of the shoppers find nothing left',
  ],
  [
    'bare',
    'a Fastify route that only checks the schema of a buy and returns its answer: the upper limit of one api process. Measured before each scenario that is compared with it; the mean of a repetition counts, since the speed of a shared machine changes',
  ],
  ['tokens', 'the opening of a sale: a seckill token for every shopper'],
  ['room', 'before a sale with a waiting room: every shopper joins, then asks for the place'],
  ['accept', 'buys, units plentiful, every check on, one api process, `AUTH_MODE=trusted`, while the worker is frozen'],
  ['accept_jwt', 'the same with access tokens (HS256), each verified once'],
  ['accept_two', 'the same with two api processes'],
  ['sold_out', 'buys after the last unit is sold'],
  ['drain', 'one worker alone on the backlog of `accept`'],
  ['raw_insert', 'the same rows, 500 a statement and commit, into a table like `orders`: the upper limit of `drain`'],
  ['end_to_end', 'api and worker together: orders divided by the time from the first buy to the last row'],
  ['half_load', 'buys at half of the rate of `end_to_end`, sent on time whether or not earlier ones were answered'],
  ['poll, products', 'settled orders; a product in turn with the list of products'],
  ['others', 'cores that programs kept busy which are not part of the run: figures of such a repetition are worse'],
  ['usual_accept, usual_end_to_end', '[the same contract built the usual way](../bench/baseline/usual-api.ts)'],
];

/** The figure of `bare` that a figure can be compared with; empty if there is none. */
function comparableOf(name: string): string {
  if (name.endsWith('per_second')) return 'bare.per_second';
  return /\.(api|redis|mysql|worker|service)_us_per_|^bare\.us/.test(name) ? 'bare.us_per_request' : '';
}

/** Other programs take time from everything that is measured, most of all from latencies. */
function othersText(results: ResultsJson): string {
  const others = figure(results, 'others.cores');
  if (others === undefined) return '';
  return `\nOther programs kept ${number(others.median)} cores busy meanwhile (${range(others)} in a repetition).`;
}

/**
 * `docs/performance.md`. `gains` is the part that is written by hand, `growth` the part of the
 * growth run.
 */
export function performancePage(results: ResultsJson, parts: { gains: string; growth: string; file: string }): string {
  const { machine, usual } = results;
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const settings = Object.entries(results.settings).map(([name, value]) => `\`${name}=${value}\``);
  const rows = figureNames(results).map((name) => {
    const spread = figure(results, name)!;
    const of = ratio(results, { of: name, to: comparableOf(name) });
    return [`\`${name}\``, number(spread.median), range(spread), of === undefined ? '' : of.median.toFixed(2)];
  });
  const tried = Object.entries(usual.tried).map(([jobs, rate]) => `${jobs}: ${number(rate)}/s`);
  const broken = results.broken.map(({ scenario, finding }) => `- ${scenario}: ${finding}`);
  return `# Performance

<!-- Written by \`npm run bench\`, but for the part "${GAINS}". -->

Measured ${results.date.slice(0, 10)} on ${machine.cores} cores (${machine.cpu}), ${machine.memory_gb} GB, ${machine.system}, shared by load
generator, api, Redis, worker and MySQL; ${versions.join(', ')}; commit \`${results.commit}\`; ${results.mode} run of
${number(results.took_s)} s, ${results.repetitions.length} repetitions; load of the machine before it: ${machine.load_before}.${othersText(results)}
All figures are in [${parts.file}](../bench/results/${parts.file}).

![requests per second](performance/throughput.svg)

## Targets

Ratios are taken within each repetition, so that another machine can be compared with this one.

${markdownTable(['Target', '', 'Median', 'Min – max', ''], verdicts(results).map(verdictRow))}
${broken.length === 0 ? '' : `\nNot reported, since the audit after it failed:\n\n${broken.join('\n')}\n`}
## Latency

![latency at half rate](performance/latency.svg)

Open loop: a latency counts from the time at which the request was due, so that a stall counts for everyone who came during it.
The row is read by another connection.

## Figures

${WHAT.map(([name, what]) => `- **${name}**: ${what}`).join('\n')}

Redis appends to its log with \`always\` and MySQL flushes at every commit. Scenarios take turns, and repetitions of all of them follow each other.
Workers, those of \`usual\` too, are warm: they are frozen while they are not wanted, not ended.
After every scenario an audit compares the answers that the client got with Redis and MySQL: every accepted order number is one live order, nobody else has
one, and \`available + owners\` is the stock. Figures of a scenario that does not pass are dropped. Closed loops are
[autocannon](https://github.com/mcollina/autocannon) with 200 connections and a body of its own for each request; the first and last tenth of their answers do not count.
\`…_us_per_…\` is CPU time by the kernel's count, but for \`redis_scripts_us\`, which is Redis's own; \`service_us\` is the sum of api, Redis, MySQL and worker. For a cost, "× bare" is
in CPU time of a bare request: on shared cores rates are noisy, CPU times are not.

${markdownTable(['Figure', 'Median', 'Min – max', '× bare'], rows)}

Settings of the service that are not its defaults: ${settings.join(' ')}.
The worker of \`usual\` takes ${usual.concurrency} jobs at once${tried.length === 0 ? '' : `, the best of those tried (${tried.join(', ')})`}.

${parts.growth}
## Gains

${beginOfHandWritten(GAINS)}

${parts.gains}

${end(GAINS)}
`;
}

/** The capacity model's table for `docs/scaling.md`. */
export function capacityPart(results: ResultsJson, capacity: Capacity): string {
  const { cores, hotSalePerSecond, predictedTwoPerSecond, measuredTwoPerSecond } = capacity;
  const rows = Object.entries(cores).map(([process, { usEach, what }]) => [
    process,
    what,
    number(usEach),
    number(cpusPerTenThousand(usEach)),
  ]);
  return `${markdownTable(['Process', 'Measured in', 'CPU µs each', 'Cores per 10,000/s'], rows)}

- One hot sale lives in one Redis process: about **${number(hotSalePerSecond)} orders/s** for
  admission, queue and settling together.
- Check: for two api processes on these ${results.machine.cores} cores, which they share with the load generator, the
  model predicts ${number(predictedTwoPerSecond)} buys/s; ${number(measuredTwoPerSecond)} were measured.`;
}
