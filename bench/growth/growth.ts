import { setTimeout as pause } from 'node:timers/promises';
import { Client, inParallel } from '../load/client.ts';
import { closedLoop } from '../load/closed-loop.ts';
import { get, type PlannedRequest } from '../load/request.ts';
import { median } from '../load/statistics.ts';
import type { GrowthJson, GrowthPoint } from '../report/growth.ts';
import { untilSold } from '../scenarios/audit.ts';
import { perEach, spent } from '../scenarios/costs.ts';
import { newShoppers, openSale, planBuys, type Sale } from '../scenarios/sale.ts';
import { assertExpected, CONNECTIONS } from '../scenarios/scenario.ts';
import { memoryBytes } from '../stage/cpu.ts';
import { startStage, type Stage } from '../stage/stage.ts';
import { fillOrders, fillOwners, untilTidy } from './fill.ts';

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

/** How the costs of a buy grow, and how much memory everything uses. */
export async function measureGrowth(
  dataDir: string,
  progress: (line: string) => void,
  size: GrowthSize = FULL,
): Promise<Pick<GrowthJson, 'axes' | 'memory_bytes'>> {
  const stage = await startStage({ dataDir, onlyApi: true });
  try {
    progress('servers and processes are up');
    const open = (units: number): Promise<Sale> => openSale(stage.api, stage.operatorToken, units);
    const room = size.buys * size.repetitions;
    const axes: Record<string, GrowthPoint[]> = {};
    const point = async (axis: string, number: number, sales: readonly Sale[], withWorker = false): Promise<void> => {
      await untilTidy(stage.redis, stage.sql);
      const costs = await costsOf(stage, size, sales, withWorker);
      (axes[axis] ??= []).push({ number, costs });
      const told = Object.entries(costs).map(([name, value]) => `${name} ${value.toFixed(1)}`);
      progress(`${axis}, ${number.toLocaleString('en')}: ${told.join(', ')}`);
    };
    await costsOf(stage, { ...size, repetitions: 1 }, [await open(size.buys)], true);
    progress('warm');

    for (const count of size.orders) {
      await fillOrders(stage.sql, count);
      await point('orders in the ledger', count, [await open(room)], true);
    }
    const crowded = await open(size.owners.at(-1)! + room * size.owners.length);
    for (const count of size.owners) {
      await fillOwners(stage.redis, crowded, count);
      await point('owners of the sale', count, [crowded]);
    }
    const memory = await memoryOf(stage, crowded, size);
    progress('memory measured');

    const sales: Sale[] = [];
    for (const count of size.sales) {
      const missing = count - sales.length;
      await inParallel(missing, SALES_AT_ONCE, async () => void sales.push(await open(room * (size.sales.length + 2))));
      await point('open sales, one bought from', count, [sales[0]!]);
      await point('open sales, all bought from', count, sales);
    }
    return { axes, memory_bytes: memory };
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

/**
 * Bytes per item, as reported by Redis for the keys of a sale with fresh buys whose orders are not
 * written, and with seckill tokens.
 */
async function memoryOf(stage: Stage, sale: Sale, size: GrowthSize): Promise<Record<string, number>> {
  const { redis } = stage;
  const at = (part: string): string => `v4:sale:{0}:${sale.id}:${part}`;
  const whole = async (key: string): Promise<number> => Number(await redis.memory('USAGE', key, 'SAMPLES', 0));
  const oneOf = async (pattern: string): Promise<number> => {
    let cursor = '0';
    do {
      const [next, found] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', 10_000);
      if (found[0] !== undefined) return whole(found[0]);
      cursor = next;
    } while (cursor !== '0');
    return Number.NaN;
  };
  // Seckill tokens that nobody uses.
  await planBuys(stage.api, sale, newShoppers(size.buys));
  const tokens = [0, 1, 2].map((turn) => `v4:tokens:{0}:${sale.id}:${turn}`);
  const total = async (read: (key: string) => Promise<number>): Promise<number> =>
    (await Promise.all(tokens.map(read))).reduce((sum, value) => sum + value, 0);
  const owners = await redis.hlen(at('owners'));
  const orders = Number(await redis.hget(at('state'), 'backlog'));
  return {
    'owner, in Redis until a day after the sale': (await whole(at('owners'))) / owners,
    'reservation, in Redis until the order is written':
      ((await whole(at('batches'))) + (await whole(at('batch_times')))) / orders,
    'seckill token, in Redis while it lives': (await total(whole)) / (await total((key) => redis.hlen(key))),
    'job, in Redis until its orders (100 at most) are written': await oneOf('v4:queue:{0}:orders:0*'),
    'settled batch (100 orders at most), in Redis for 10 min': await oneOf('v4:settled:*'),
    'open connection, in an api process': await connectionBytes(stage, size.connections),
  };
}

async function connectionBytes({ api, pids }: Stage, count: number): Promise<number> {
  const before = memoryBytes(pids.api) ?? Number.NaN;
  const client = new Client([api], count);
  await Promise.all(Array.from({ length: count }, () => client.call(get('/healthz'))));
  await pause(500);
  const after = memoryBytes(pids.api) ?? Number.NaN;
  await client.close();
  return Math.max(0, after - before) / count;
}
