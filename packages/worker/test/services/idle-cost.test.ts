import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { RedisClient } from '@flash-sale/shared/platform/redis/client.ts';
import { openTestContext } from '@flash-sale/shared/testing/support.ts';
import { startPrivateRedis } from '@flash-sale/shared/testing/private-redis.ts';
import { startWorker } from '../worker-process.ts';

const SALES = 300;
const WATCHED_MS = 6_000;
const HOUR_MS = 3_600_000;
const COMMANDS_PER_SECOND_MAX = 100;

/** Commands that Redis has run until now, those within scripts included. */
async function commandsRun(redis: RedisClient): Promise<number> {
  const stats = await redis.info('commandstats');
  return [...stats.matchAll(/calls=(\d+)/g)].reduce((sum, [, calls]) => sum + Number(calls), 0);
}

test('a worker costs Redis at most 100 commands a second while no sale is open, for any number of sales', async () => {
  const redis = await startPrivateRedis();
  const context = await openTestContext(redis.env);
  onTestFinished(() => context.close());
  const nowMs = Date.now();
  const times = { startMs: nowMs - 5 * HOUR_MS, endMs: nowMs - 4 * HOUR_MS };
  const sales = await Promise.all(Array.from({ length: SALES }, () => context.insertSale(times)));
  await startWorker(context.env);
  const areReady = async (): Promise<boolean> =>
    (await Promise.all(sales.map((sale) => context.commands.readSale(sale)))).every(({ ready }) => ready);
  await expect.poll(areReady, { timeout: 30_000, interval: 500 }).toBe(true);

  const before = await commandsRun(context.redis);
  await delay(WATCHED_MS);
  const perSecond = ((await commandsRun(context.redis)) - before) / (WATCHED_MS / 1_000);

  expect(perSecond).toBeLessThanOrEqual(COMMANDS_PER_SECOND_MAX);
}, 60_000);
