/**
 * `npm run profile`: shows where the time goes. Profiles api and worker under load, writes a flame
 * graph of each (SVG, and `.cpuprofile` for a browser's developer tools or speedscope) and prints
 * the functions that take the most time themselves.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { integer, readCommandLine, text } from '@flash-sale/shared/platform/process/command-line.ts';
import { exitProcess } from '@flash-sale/shared/platform/process/exit.ts';
import { freePort } from '@flash-sale/infra/services/ports.ts';
import { closedLoop } from '../load/closed-loop.ts';
import { textTable } from '@flash-sale/shared/platform/process/text-table.ts';
import { untilSold } from '../scenarios/audit.ts';
import { newShoppers, openSale, planBuys, tokenRequest } from '../scenarios/sale.ts';
import { CONNECTIONS } from '../scenarios/scenario.ts';
import { startStage, type Stage } from '../stage/stage.ts';
import { runInFolder } from '../stage/program.ts';
import { flameGraph } from './flame-graph.ts';
import { Profiler } from './profiler.ts';
import { selfTimes, type CpuProfile } from './self-time.ts';

const TREE = join(import.meta.dirname, '..', '..');
const BUYS = 30_000;
const WARM_BUYS = 5_000;
const SHOWN = 25;

const { values } = await readCommandLine({
  usage: 'npm run profile -- [options]',
  summary:
    'Profiles api and worker under load, writes a flame graph of each, and prints the functions that take most of the time.',
  options: {
    buys: integer('<n>', `buys, or seckill tokens, in each profile (default ${BUYS})`, 1_000, 1_000_000),
    out: text('<folder>', 'folder of the flame graphs (default: .data/profile)'),
  },
});
const buys = values.buys ?? BUYS;
const folder = values.out ?? join(TREE, '.data', 'profile');
const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** A sale with this many shoppers, and by default with units for all of them. */
async function prepare(stage: Stage, count: number, units = count) {
  const sale = await openSale(stage.api, stage.operatorToken, units);
  const requests = await planBuys(stage.api, sale, newShoppers(count));
  const buy = () => closedLoop({ urls: [stage.api], connections: CONNECTIONS, requests, expected: 202 });
  return { sale, buy };
}

/** Profiles a process while `load` runs. */
async function profiled(name: string, port: number, load: () => Promise<unknown>): Promise<void> {
  const profiler = await Profiler.connect(port);
  await profiler.start();
  await load();
  const profile = await profiler.stop();
  profiler.close();
  report(name, profile);
}

function report(name: string, profile: CpuProfile): void {
  mkdirSync(folder, { recursive: true });
  const paths = [join(folder, `${name}.svg`), join(folder, `${name}.cpuprofile`)] as const;
  writeFileSync(paths[0], flameGraph(profile, `${name}: CPU time`, `${TREE}/`));
  writeFileSync(paths[1], JSON.stringify(profile));
  const rows = selfTimes(profile, `${TREE}/`)
    .slice(0, SHOWN)
    .map(({ name: of, selfMs, share }) => [of, selfMs.toFixed(0), `${(share * 100).toFixed(1)} %`]);
  print(`\n${textTable([[`${name}: function`, 'self ms', 'of busy time'], ...rows])}`);
  for (const path of paths) print(`wrote ${relative(process.cwd(), path)}`);
}

async function profileAll(dataDir: string): Promise<number> {
  const [api, worker] = [await freePort(), await freePort()];
  const stage = await startStage({ dataDir, onlyApi: true, inspect: { 'api-1': api, worker } });
  try {
    const { api: url, operatorToken } = stage;
    const opening = await openSale(url, operatorToken, 1);
    const ask = (count: number) =>
      closedLoop({
        urls: [url],
        connections: CONNECTIONS,
        requests: newShoppers(count).map((userId) => tokenRequest(opening, userId)),
        expected: 200,
      });
    await ask(WARM_BUYS);
    await profiled('api-tokens', api, () => ask(buys));
    const warm = await prepare(stage, WARM_BUYS);
    await warm.buy();
    const accept = await prepare(stage, buys);
    await profiled('api', api, accept.buy);
    const soldOut = await prepare(stage, buys, 1);
    await soldOut.buy();
    await profiled('api-sold-out', api, soldOut.buy);
    // The worker is profiled with orders that arrive while it runs. Its start and the backlog
    // warm it up.
    await stage.worker.start();
    await untilSold(stage, warm.sale, WARM_BUYS);
    await untilSold(stage, accept.sale, buys);
    const more = await prepare(stage, buys);
    await profiled('worker', worker, async () => {
      await more.buy();
      await untilSold(stage, more.sale, buys);
    });
  } finally {
    await stage.close();
  }
  return 0;
}

await exitProcess(await runInFolder('profile', profileAll));
