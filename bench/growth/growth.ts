import { inParallel } from '../load/client.ts';
import { closedLoop } from '../load/closed-loop.ts';
import type { PlannedRequest } from '../load/request.ts';
import { median } from '../load/statistics.ts';
import type { GrowthJson, GrowthPoint } from '../report/growth.ts';
import { untilSold } from '../scenarios/audit.ts';
import { perEach, spent } from '../scenarios/costs.ts';
import { newShoppers, openSale, planBuys, type Sale } from '../scenarios/sale.ts';
import { assertExpected, CONNECTIONS } from '../scenarios/scenario.ts';
import { startStage, type Stage } from '../stage/stage.ts';
import { fillOrders, fillOwners, untilTidy } from './fill.ts';
import { memoryOf } from './memory.ts';

/** How large the data get, and how exactly they are measured. */
export interface GrowthSize {
  readonly owners: readonly number[];
  readonly sales: readonly number[];
  readonly orders: readonly number[];
  readonly buys: number;
  readonly repetitions: number;
  readonly connections: number;
}

const FULL: GrowthSize = {
  owners: [1_000, 10_000, 100_000, 1_000_000],
  sales: [1, 10, 100, 1_000],
  orders: [1_000, 10_000, 100_000, 1_000_000],
  buys: 10_000,
  repetitions: 3,
  connections: 4_000,
};
const SALES_AT_ONCE = 16;

const ORDERS = 'orders in the ledger';
const OWNERS = 'owners of the sale';
const ONE_OF_SALES = 'open sales, one bought from';
const ALL_SALES = 'open sales, all bought from';

/**
 * How the costs of a buy grow, and how much memory everything uses.
 *
 * @param only measure only what has this in its name
 */
export async function measureGrowth(
  dataDir: string,
  progress: (line: string) => void,
  only = '',
  size: GrowthSize = FULL,
): Promise<Pick<GrowthJson, 'axes' | 'memory'>> {
  const stage = await startStage({ dataDir, onlyApi: true });
  try {
    progress('servers and processes are up');
    const open = (units: number): Promise<Sale> => openSale(stage.api, stage.operatorToken, units);
    const room = size.buys * size.repetitions;
    const axes: Record<string, GrowthPoint[]> = {};
    const isWanted = (...names: string[]): boolean => names.some((name) => name.includes(only));
    const point = async (axis: string, number: number, sales: readonly Sale[], withWorker = false): Promise<void> => {
      if (!isWanted(axis)) return;
      await untilTidy(stage.redis, stage.sql);
      const costs = await costsOf(stage, size, sales, withWorker);
      (axes[axis] ??= []).push({ number, costs });
      const told = Object.entries(costs).map(([name, value]) => `${name} ${value.toFixed(1)}`);
      progress(`${axis}, ${number.toLocaleString('en')}: ${told.join(', ')}`);
    };
    await costsOf(stage, { ...size, repetitions: 1 }, [await open(size.buys)], true);
    progress('warm');

    const memory = isWanted('memory') ? await memoryOf(stage, size.buys, size.connections) : {};

    for (const count of isWanted(ORDERS) ? size.orders : []) {
      await fillOrders(stage.sql, count);
      await point(ORDERS, count, [await open(room)], true);
    }
    const crowded = await open(size.owners.at(-1)! + room * size.owners.length);
    for (const count of isWanted(OWNERS) ? size.owners : []) {
      await fillOwners(stage.redis, crowded, count);
      await point(OWNERS, count, [crowded]);
    }

    const sales: Sale[] = [];
    for (const count of isWanted(ONE_OF_SALES, ALL_SALES) ? size.sales : []) {
      const missing = count - sales.length;
      await inParallel(missing, SALES_AT_ONCE, async () => void sales.push(await open(room * (size.sales.length + 2))));
      await point(ONE_OF_SALES, count, [sales[0]!]);
      await point(ALL_SALES, count, sales);
    }
    return { axes, memory };
  } finally {
    await stage.close();
  }
}

/**
 * The present cost of a buy, over several runs; with the worker, also the cost of writing its
 * order.
 */
async function costsOf(
  stage: Stage,
  { buys, repetitions }: GrowthSize,
  sales: readonly Sale[],
  withWorker: boolean,
): Promise<Record<string, number>> {
  const runs: Record<string, number>[] = [];
  for (let r = 0; r < repetitions; r += 1) {
    const each = Math.ceil(buys / sales.length);
    const bySale: PlannedRequest[][] = [];
    for (const sale of sales) bySale.push(await planBuys(stage.api, sale, newShoppers(each)));
    // The sales take turns.
    const requests = Array.from({ length: each * sales.length }, (_, i) => {
      return bySale[i % sales.length]![Math.floor(i / sales.length)]!;
    });
    const before = await spent(stage);
    const { unexpected } = await closedLoop({ urls: [stage.api], connections: CONNECTIONS, requests, expected: 202 });
    const bought = await spent(stage);
    assertExpected('buys', unexpected, requests.length);
    const { redis_us_per_buy: redisUsPerBuy, api_us_per_buy: apiUsPerBuy } = perEach(
      before,
      bought,
      requests.length,
      'buy',
    );
    const costs: Record<string, number> = { redis_us_per_buy: redisUsPerBuy!, api_us_per_buy: apiUsPerBuy! };
    if (withWorker) {
      await stage.worker.start();
      for (const sale of sales) await untilSold(stage, sale, (r + 1) * each);
      const { mysql_us_per_order: mysqlUsPerOrder } = perEach(bought, await spent(stage), requests.length, 'order');
      costs['mysql_us_per_order'] = mysqlUsPerOrder!;
      await stage.worker.stop();
    }
    runs.push(costs);
  }
  return Object.fromEntries(Object.keys(runs[0]!).map((name) => [name, median(runs.map((costs) => costs[name]!))]));
}
