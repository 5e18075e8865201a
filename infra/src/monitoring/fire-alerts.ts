/**
 * `npm run alerts:fire`: starts the service and Prometheus on servers of its own, makes the real
 * cause of every alert, with the intervals of production, and reports which of them fired. The
 * scraped series become their unit tests (`infra/monitoring/prometheus/tests/recorded.yml`).
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { flag, readCommandLine } from '@flash-sale/shared/platform/process/command-line.ts';
import { textTable } from '@flash-sale/shared/platform/process/text-table.ts';
import { stringify } from 'yaml';
import { temporaryFolder } from '../services/temporary-folder.ts';
import { makeCauses, NOT_CAUSED, startFailingReceiver } from './causes.ts';
import { startOtherApi } from './other-api.ts';
import { startStripe } from './payment-causes.ts';
import { findPrometheus, type PrometheusPrograms } from './prometheus-programs.ts';
import { labelsAt } from './prometheus-api.ts';
import { firstFired, recordedTest, STEP_S, type Fired } from './recorded-tests.ts';
import { readAlerts } from './rules.ts';
import { startWatched, type WatchedService } from './watched-service.ts';

const TESTS = join(import.meta.dirname, '../../monitoring/prometheus/tests/recorded.yml');
/** When the order events that wait are made a day older, at which age they are given up. */
const EVENTS_AGED_S = 420;
/** Includes the last attempt, which may be a minute later, and a scrape. */
const EVENTS_DEAD_S = EVENTS_AGED_S + 100;
/**
 * The key set is fetched every ten minutes and may be fifteen minutes old; then the rule waits, and
 * a scrape.
 */
const KEY_SET_OLD_S = 900 + 70;
const LEAST_S = 20;
/** Longer than the alerts of a process or connection that is away wait. */
const QUIET_S = 40;

const { values } = await readCommandLine({
  usage: 'npm run alerts:fire -- [options]',
  summary: `Causes every alert on private servers, and reports which alerts fired. Takes about seventeen minutes.
Exit code 1: an alert did not fire although its cause was there, or fired before it.`,
  options: {
    record: flag('write the scraped samples to infra/monitoring/prometheus/tests/recorded.yml as unit tests'),
    json: flag('the result as one JSON document; progress goes to standard error'),
  },
});

const startedMs = Date.now();
const progress = (line: string): void =>
  (values.json ? console.error : console.log)(
    `${((Date.now() - startedMs) / 1_000).toFixed(0).padStart(5)} s  ${line}`,
  );

const folder = temporaryFolder('alerts-fire');
try {
  await fire(await findPrometheus(folder.path, progress));
} finally {
  await folder.close();
}

async function fire({ prometheus, promtool }: PrometheusPrograms): Promise<void> {
  const receiver = await startFailingReceiver();
  const { stripe, env: stripeEnv, imports } = await startStripe();
  const otherApi = await startOtherApi();
  progress('starting the service and Prometheus');
  const service = await startWatched(folder.path, prometheus, {
    scrapeS: STEP_S,
    env: {
      EVENTS_URL: receiver.url,
      EVENTS_SECRET: `whsec_${randomBytes(32).toString('base64')}`,
      // So that a sale that is not written for three minutes sheds.
      BACKLOG_MAX: '300',
      PAYMENT_TIMEOUT_SECONDS: '600',
      ...stripeEnv,
    },
    imports,
    otherApi,
  });
  const serviceStartedMs = Date.now();
  try {
    await expectSilence(service);
    await makeCauses(service, { stripe, otherApi }, progress);
    const secondsTo = (atS: number): number => atS - (Date.now() - serviceStartedMs) / 1_000;
    await delay(Math.max(0, secondsTo(EVENTS_AGED_S)) * 1_000);
    await service.mysql.query(
      'UPDATE order_events SET waiting_since = waiting_since - INTERVAL 1 DAY WHERE dead_at IS NULL',
    );
    const leftS = Math.max(LEAST_S, secondsTo(Math.max(EVENTS_DEAD_S, KEY_SET_OLD_S)));
    progress(`waiting for what takes its time: ${leftS.toFixed(0)} s`);
    await delay(leftS * 1_000);
    await report(service, promtool);
  } finally {
    receiver.close();
    otherApi.close();
    await stripe.close();
    service.redis.disconnect();
    await service.mysql.end();
  }
}

/** An alert that fires while nothing is wrong is as bad as one that never does. */
async function expectSilence({ prometheus }: WatchedService): Promise<void> {
  progress('nothing is wrong yet: no alert may fire');
  await delay(QUIET_S * 1_000);
  for (const labels of await labelsAt(prometheus, 'ALERTS{alertstate="firing"}', Date.now() / 1_000)) {
    progress(`FIRES WITHOUT A CAUSE: ${JSON.stringify(labels)}`);
    process.exitCode = 1;
  }
}

async function report(service: WatchedService, promtool: string): Promise<void> {
  const sinceS = startedMs / 1_000;
  const fired: Fired[] = [];
  const results: AlertResult[] = [];
  for (const alert of readAlerts()) {
    const found = await firstFired(service.prometheus, alert, sinceS);
    if (found !== undefined) fired.push(found);
    const reason = NOT_CAUSED[alert.alert] ?? null;
    const afterS = found === undefined ? null : Math.round(found.timeS - sinceS);
    results.push({ alert: alert.alert, fired: found !== undefined, afterS, notCaused: reason });
    if (found === undefined && reason === null) process.exitCode = 1;
  }
  if (values.json) console.log(JSON.stringify({ alerts: results }, null, 2));
  else console.log(`\n${textTable([['alert', '', ''], ...results.map(rowOf)], { isRight: () => false })}\n`);
  if (values.record) await record(service, fired, promtool);
}

interface AlertResult {
  readonly alert: string;
  readonly fired: boolean;
  /** Since the start. */
  readonly afterS: number | null;
  /** Why its cause is not made here. */
  readonly notCaused: string | null;
}

function rowOf({ alert, fired, afterS, notCaused }: AlertResult): string[] {
  const missing = notCaused === null ? 'NOT FIRED' : 'not caused';
  return [alert, fired ? 'fired' : missing, notCaused ?? (fired ? `after ${afterS} s` : '')];
}

async function record(service: WatchedService, fired: readonly Fired[], promtool: string): Promise<void> {
  const tests = [];
  for (const one of fired) tests.push(await recordedTest(service.prometheus, one));
  const head = `# The series that were scraped while each alert fired for real. Written by \`npm run alerts:fire -- --record\`.\n`;
  const content = { rule_files: ['../rules/alerts.yml'], evaluation_interval: `${STEP_S}s`, tests };
  writeFileSync(TESTS, head + stringify(content, { lineWidth: 0 }));
  const { status, stdout, stderr } = spawnSync(promtool, ['test', 'rules', TESTS], { encoding: 'utf8' });
  progress(status === 0 ? 'the rules fire on what was recorded, too' : `promtool: ${stdout}${stderr}`);
  if (status !== 0) process.exitCode = 1;
}
