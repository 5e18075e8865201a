/**
 * `npm run try:containers`: builds the image, starts the stack of Docker Compose, sells through its
 * proxy while containers are killed and scaled, and compares the sums. Exit code 1: a check failed.
 */
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { ComposeProject } from '@flash-sale/infra/containers/compose-project.ts';
import { openEngine, type Engine } from '@flash-sale/infra/containers/engine.ts';
import { buildStandIns, standInImage } from '@flash-sale/infra/containers/stand-ins.ts';
import { labelsAt } from '@flash-sale/infra/monitoring/prometheus-api.ts';
import { searchFolders } from '@flash-sale/infra/services/programs.ts';
import { StartFailure } from '@flash-sale/infra/services/start-failure.ts';
import { dataDirOfCheckout, print, runCommand, stopSignal } from '@flash-sale/infra/stack/command.ts';
import { readCommandLine } from '@flash-sale/shared/platform/process/command-line.ts';
import type { auditJson } from '@flash-sale/shared/reconciliation/audit.ts';
import { Shop } from '../drill/shop.ts';
import { Crowd } from './crowd.ts';

await readCommandLine({
  usage: 'npm run try:containers',
  summary: `Builds the image, starts infra/deploy/compose.yaml on Docker or Podman, sells through the proxy while containers are killed
and scaled, compares the sums, and removes everything. If no registry can be reached, stand-ins made of Debian's packages
replace the images of Node.js, Debian, MySQL, Redis, Caddy and Prometheus, and Grafana is left out.
Exit code 1: a check failed, or something that this needs is missing.`,
});

const ROOT = join(import.meta.dirname, '../..');
const DEPLOY = join(ROOT, 'infra/deploy');
const IMAGE = 'docker.io/library/flash-sale:local';
/** One of the images that are needed, to find out whether a registry can be reached. */
const SMALL_IMAGE = 'docker.io/library/debian:bookworm-slim';
const UNITS = 700;
const SHOPPERS = 800;
const LEDGER_MS_MAX = 30_000;

const beganMs = performance.now();
const signal = stopSignal();
/** Reports a step. A stop ends the run after the present one. */
function step(line: string): void {
  print(`${((performance.now() - beganMs) / 1_000).toFixed(1).padStart(6)} s  ${line}`);
  signal.throwIfAborted();
}

const failures: string[] = [];
function check(what: string, holds: boolean): void {
  print(`          ${holds ? 'ok  ' : 'FAIL'} ${what}`);
  if (!holds) failures.push(what);
}

/** Builds the image of the service. Returns whether stand-ins were needed. */
async function build(engine: Engine): Promise<boolean> {
  const hasRegistry = await engine.run(['pull', SMALL_IMAGE]).then(
    () => true,
    () => false,
  );
  const bases = hasRegistry
    ? []
    : ['--build-arg', `NODE_IMAGE=${standInImage('node')}`, '--build-arg', `BASE_IMAGE=${standInImage('debian')}`];
  if (!hasRegistry) {
    step('no registry can be reached: building stand-ins from the packages of Debian sid for the images of Node.js,');
    print('          Debian, MySQL, Redis, Caddy and Prometheus. Grafana is left out.');
    const folders = searchFolders(process.env);
    const options = { dataDir: dataDirOfCheckout, folders, env: process.env, log: () => {}, signal };
    await buildStandIns(engine, DEPLOY, options);
  }
  await engine.build(IMAGE, [...bases, '--file', join(DEPLOY, 'Dockerfile'), ROOT]);
  const bytes = Number(await engine.run(['image', 'inspect', '--format', '{{.Size}}', IMAGE]));
  step(`the image is built: ${Math.round(bytes / 1_048_576)} MiB`);
  return !hasRegistry;
}

/** One sale of the audit's report. */
type AuditedSaleJson = ReturnType<typeof auditJson>;

async function audit(project: ComposeProject): Promise<AuditedSaleJson> {
  const program = 'packages/shared/src/reconciliation/audit-command.ts';
  // With exit code 1 it has found something, which its report says.
  const report = await project.run('exec', '-T', 'worker', 'node', program, '--json').catch((error: unknown) => {
    const { stdout } = error as { stdout?: string };
    if (stdout === undefined || stdout === '') throw error;
    return stdout;
  });
  const { sales } = JSON.parse(report) as { readonly sales: readonly AuditedSaleJson[] };
  return sales[0]!;
}

async function auditOfWrittenSale(project: ComposeProject): Promise<AuditedSaleJson> {
  const untilMs = performance.now() + LEDGER_MS_MAX;
  for (;;) {
    const sale = await audit(project);
    if ((sale.reservations === 0 && sale.verdict === 'clean') || performance.now() > untilMs) return sale;
    await delay(1_000);
  }
}

async function sell(engine: Engine, project: ComposeProject): Promise<void> {
  const shop = new Shop(project.url, project.settings.get('ADMIN_TOKEN')!);
  const kill = async (service: string): Promise<void> => {
    const [id = ''] = await project.containersOf(service);
    await engine.run(['kill', '--signal', 'KILL', id]);
  };
  let scale = { api: 2, worker: 2 };
  const up = (next = scale): Promise<void> => project.up((scale = next));
  await up();
  step('the stack is healthy: 2 api and 2 worker processes behind the proxy');
  const sale = await shop.openSale(UNITS);
  const crowd = new Crowd(project.url, sale, project.settings.get('JWT_SECRET')!);
  const during = async (what: string, shoppers: number, work: () => Promise<void>): Promise<void> => {
    const buying = crowd.buy(shoppers);
    await work();
    const { bought, waits } = await buying;
    step(`${what}: ${bought} of ${shoppers} shoppers bought, ${waits} calls repeated`);
  };

  await during('nothing happens', 100, () => Promise.resolve());
  for (const service of ['api', 'worker', 'redis', 'mysql']) {
    await during(`a container of ${service} is killed`, 100, async () => {
      await kill(service);
      await up();
    });
  }
  await during('scaled to 3 api and 3 workers', 100, () => up({ api: 3, worker: 3 }));
  await during('scaled to 1 api and 1 worker', 50, () => up({ api: 1, worker: 1 }));
  const { bought, soldOut } = await crowd.buy(SHOPPERS - crowd.size);
  step(`sold out: ${bought} more bought, ${soldOut} were too late`);

  const audited = await auditOfWrittenSale(project);
  const statuses = await crowd.statuses();
  check(`${UNITS} shoppers have bought, each another order`, crowd.orderNos.size === UNITS && crowd.bought === UNITS);
  check(
    `each of their orders is in the ledger: ${[...statuses].join(', ')}`,
    !statuses.has('queued') && statuses.size === 1,
  );
  check(
    `the sums are right: ${audited.live_orders} live orders, ${audited.held} units held, sold ${audited.sold}, ${audited.available} available`,
    [audited.live_orders, audited.held, audited.sold].every((sum) => sum === UNITS) && audited.available === 0,
  );
  check(`the audit of Redis and ledger is ${audited.verdict}`, audited.verdict === 'clean');
  const scraped = await labelsAt(project.prometheusUrl, 'up == 1', Date.now() / 1_000);
  check(
    'Prometheus scrapes api and worker',
    ['api', 'worker'].every((job) => scraped.some((labels) => labels['job'] === job)),
  );
  print(await engine.run(['stats', '--no-stream', '--format', '{{.Name}} {{.MemUsage}}']));
}

await runCommand(async () => {
  const folders = searchFolders(process.env);
  const engine = await openEngine({ dataDir: dataDirOfCheckout, folders, env: process.env, log: () => {}, signal });
  try {
    step(engine.title);
    const hasStandIns = await build(engine);
    const project = await ComposeProject.create(engine, {
      dataDir: dataDirOfCheckout,
      deployFolder: DEPLOY,
      hasStandIns,
    });
    try {
      await sell(engine, project);
    } catch (error) {
      print(await project.run('logs', '--tail', '20').catch(String));
      throw error;
    } finally {
      await project.down();
      print('          everything is removed');
    }
  } finally {
    await engine.close();
  }
  if (failures.length > 0) throw new StartFailure(`failed:\n${failures.join('\n')}`);
});
