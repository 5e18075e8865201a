import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { Client } from '../load/client.ts';
import { closedLoop } from '../load/closed-loop.ts';
import { get } from '../load/request.ts';
import type { MemoryJson } from '../report/growth.ts';
import { audit } from '../scenarios/audit.ts';
import { newShoppers, openSale, orderNoOf, planBuys } from '../scenarios/sale.ts';
import { assertExpected, CONNECTIONS } from '../scenarios/scenario.ts';
import { memoryBytes } from '../stage/cpu.ts';
import type { Stage } from '../stage/stage.ts';

const LOOK_MS = 50;
/** A hash with fewer entries says little about one entry. */
const ENTRIES_MIN = 100;
const TURNS = [0, 1, 2];

/**
 * Bytes per item, as reported by Redis for the keys of a new sale. Its shoppers get their tokens
 * and buy before the worker writes the first order, so each kind of key is seen when it is largest.
 */
export async function memoryOf(stage: Stage, buys: number, connections: number): Promise<MemoryJson> {
  const { redis, api } = stage;
  const sale = await openSale(api, stage.operatorToken, buys);
  const at = (part: string): string => `v4:sale:{0}:${sale.id}:${part}`;
  const requests = await planBuys(api, sale, newShoppers(buys));
  const token = await bytesPerEntry(
    redis,
    TURNS.map((turn) => `v4:tokens:{0}:${sale.id}:${turn}`),
  );

  const orders: string[] = [];
  const bought = new AbortController();
  const buying = closedLoop({
    urls: [api],
    connections: CONNECTIONS,
    requests,
    expected: 202,
    onBody: (body) => void orders.push(orderNoOf(body) ?? ''),
  }).finally(() => bought.abort());
  // Buckets live for a second or two.
  let bucket = Number.NaN;
  while (!bought.signal.aborted) {
    await pause(LOOK_MS);
    const buckets = TURNS.map((turn) => `v4:bucket:{0}:users:${turn}`);
    bucket = (await bytesPerEntry(redis, buckets)) || bucket;
  }
  const { unexpected } = await buying;
  assertExpected('buys', unexpected, buys);
  const each = async (keys: readonly string[]): Promise<number> => (await bytesOf(redis, keys)) / orders.length;
  const owner = await each([at('owners')]);
  const batch = await each([at('batches'), at('batch_times')]);
  const job = await each([...(await keysLike(redis, 'v4:queue:{0}:orders:0*')), 'v4:queue:{0}:orders:wait']);

  await stage.worker.start();
  await audit(stage, sale, orders);
  await stage.worker.stop();
  const settled = await each(await keysLike(redis, `v4:settled:{0}:${sale.id}:*`));
  return {
    owner,
    batch,
    job,
    bucket,
    settled,
    order: owner + batch + job + bucket + settled,
    token,
    connection: await connectionBytes(stage, connections),
  };
}

async function bytesOf(redis: Redis, keys: readonly string[]): Promise<number> {
  const sizes = await Promise.all(keys.map(async (key) => Number(await redis.memory('USAGE', key, 'SAMPLES', 0))));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Of the hashes at these keys; NaN if they are too small to tell. */
async function bytesPerEntry(redis: Redis, keys: readonly string[]): Promise<number> {
  const entries = (await Promise.all(keys.map((key) => redis.hlen(key)))).reduce((sum, count) => sum + count, 0);
  return entries < ENTRIES_MIN ? Number.NaN : (await bytesOf(redis, keys)) / entries;
}

async function keysLike(redis: Redis, pattern: string): Promise<string[]> {
  const found = new Set<string>();
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', 10_000);
    for (const key of keys) found.add(key);
    cursor = next;
  } while (cursor !== '0');
  return [...found];
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
