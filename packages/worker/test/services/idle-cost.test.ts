import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { RedisClient } from '@flash-sale/shared/platform/redis/client.ts';
import { openTestContext } from '@flash-sale/shared/testing/support.ts';
import { startPrivateRedis } from '@flash-sale/shared/testing/private-redis.ts';
import { startWorker } from '../worker-process.ts';

const SALES = 300;
/** The interval of the auditor, so that one of its rounds counts, and not one or none. */
const WATCHED_MS = 10_000;
const HOUR_MS = 3_600_000;
const COMMANDS_PER_SECOND_MAX = 100;

/** How often Redis has run each command until now, within scripts too. */
async function commandsRun(redis: RedisClient): Promise<Map<string, number>> {
  const stats = await redis.info('commandstats');
  return new Map([...stats.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)].map(([, name, calls]) => [name!, Number(calls)]));
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
  const perSecond = [...(await commandsRun(context.redis))]
    .map(([name, calls]) => [name, (calls - (before.get(name) ?? 0)) / (WATCHED_MS / 1_000)] as const)
    .toSorted(([, a], [, b]) => b - a);

  const sum = perSecond.reduce((all, [, calls]) => all + calls, 0);
  expect(sum, perSecond.map((each) => each.join(' ')).join(', ')).toBeLessThanOrEqual(COMMANDS_PER_SECOND_MAX);
}, 60_000);
