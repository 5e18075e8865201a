/**
 * `npm run dashboards:check`: starts the service and Prometheus on servers of its own, runs a small
 * sale with one fault of each kind, and prints the results of every dashboard query. Exits with
 * code 1 if a query found nothing or only zeros, or an expected alert did not fire. If Prometheus
 * is not available, it says so and checks nothing.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { readCommandLine } from '@flash-sale/shared/platform/process/command-line.ts';
import { StartFailure } from '../services/start-failure.ts';
import { temporaryFolder } from '../services/temporary-folder.ts';
import { queriesOf, readDashboards, type PanelQuery } from './dashboards.ts';
import { runEventfulSale } from './eventful-sale.ts';
import { findPrometheus, type PrometheusPrograms } from './prometheus-programs.ts';
import { startWatched, type WatchedService } from './watched-service.ts';

await readCommandLine({
  usage: 'npm run dashboards:check',
  summary:
    'Runs a small sale with faults under a real Prometheus, and checks that every dashboard query returns samples.',
});

/** Several scrapes: here the interval is one second. */
const RATE_INTERVAL = '10s';
/** Alerts that fire without a delay. */
const ALERTS = ['SaleDrift', 'FencingRefusals'];
const PROCESSES = 3;
const LIMIT_MS = 30_000;
/** Panels that show 0 without a fault: a repaired drift leaves no gap. */
const ZERO_IS_WELL = new Set(['Conservation gap']);

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}

const startedMs = Date.now();
const progress = (line: string): void =>
  console.log(`${((Date.now() - startedMs) / 1_000).toFixed(1).padStart(5)} s  ${line}`);

const folder = temporaryFolder('dashboards');
try {
  const programs = await programsOrNone();
  if (programs !== undefined) await check(programs);
} finally {
  await folder.close();
}

async function programsOrNone(): Promise<PrometheusPrograms | undefined> {
  try {
    return await findPrometheus(folder.path, progress);
  } catch (error) {
    if (!(error instanceof StartFailure)) throw error;
    console.log(`NOT CHECKED: ${error.message}`);
    return undefined;
  }
}

async function check({ prometheus }: PrometheusPrograms): Promise<void> {
  progress('starting the service and Prometheus');
  const service = await startWatched(folder.path, prometheus);
  try {
    await until(async () => (await query(service, 'up == 1')).length === PROCESSES);
    await runEventfulSale(service, progress);
    // Wait for the last scrape.
    await delay(2_000);
    const rows = [];
    for (const one of queriesOf(readDashboards(), RATE_INTERVAL)) rows.push(rowOf(one, await query(service, one.expr)));
    print(rows);
    const empty = rows.filter(
      ({ panel, series, highest }) => highest === 0 && !(series > 0 && ZERO_IS_WELL.has(panel)),
    );
    const fired = new Set(
      (await query(service, 'ALERTS{alertstate="firing"}')).map(({ metric }) => metric['alertname']!),
    );
    progress(`alerts that fired: ${[...fired].toSorted().join(', ')}`);
    const silent = ALERTS.filter((alert) => !fired.has(alert));
    if (silent.length > 0) progress(`alerts that did not: ${silent.join(', ')}`);
    progress(
      empty.length === 0 ? `all ${rows.length} queries have samples` : `${empty.length} queries have no sample but 0`,
    );
    for (const { dashboard, panel, query: expr } of empty) console.log(`  ${dashboard}, ${panel}: ${expr}`);
    if (empty.length + silent.length > 0) process.exitCode = 1;
  } finally {
    service.redis.disconnect();
    await service.mysql.end();
  }
}

function print(rows: readonly ReturnType<typeof rowOf>[]): void {
  let shown = '';
  for (const { dashboard, panel, query: expr, series, highest } of rows) {
    if (dashboard !== shown) console.log(`\n${dashboard}\n${'highest'.padStart(10)} series  panel: query`);
    shown = dashboard;
    console.log(`${String(highest).padStart(10)} ${String(series).padStart(6)}  ${panel}: ${expr}`);
  }
  console.log();
}

function rowOf({ dashboard, panel, expr }: PanelQuery, samples: readonly Sample[]) {
  const values = samples.flatMap((sample) => sample.values.map(([, value]) => Math.abs(Number(value))));
  const highest = Math.max(0, ...values.filter(Number.isFinite));
  return { dashboard, panel, query: expr, series: samples.length, highest: Number(highest.toPrecision(4)) };
}

/** All series of an expression since the start, with a value for each second. */
async function query({ prometheus }: WatchedService, expr: string): Promise<Sample[]> {
  const range = { start: String(startedMs / 1_000), end: String(Date.now() / 1_000), step: '1' };
  const response = await fetch(`${prometheus}/api/v1/query_range`, {
    method: 'POST',
    body: new URLSearchParams({ query: expr, ...range }),
  });
  const answer = (await response.json()) as { status: string; error?: string; data: { result: Sample[] } };
  if (answer.status !== 'success') throw new Error(`${expr}: ${answer.error}`);
  return answer.data.result;
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + LIMIT_MS;
  while (!(await isSo())) {
    if (performance.now() > untilMs) throw new Error('the processes were not scraped in time');
    await delay(200);
  }
}
