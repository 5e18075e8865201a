import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import { openTestContext } from '../../testing/support.ts';
import { openOwnRedis } from '../../testing/own-servers.ts';
import { startService } from '../../testing/service.ts';
import { outcomeOf, Shoppers } from '../../testing/shoppers.ts';

/** Longer than `REDIS_TIMEOUT_MS`, so that everything started meanwhile fails. */
const FROZEN_MS = 1_600;
const WRITTEN_MS_MAX = 10_000;

it('if Redis was frozen when every process first used it, the first buy is written within 10 s (promise 11)', async () => {
  const redis = await openOwnRedis();
  onTestFinished(() => redis.close());
  const context = await openTestContext(redis.env);
  onTestFinished(() => context.close());
  const service = await startService(context, { apis: 1, workers: 1 });
  onTestFinished(() => service.stop());
  const shoppers = new Shoppers(service.url);
  onTestFinished(() => shoppers.close());

  redis.freeze();
  // The first sale of its shard: only now do the worker's services start, and does the api have
  // anything to do with that shard.
  const sale = await context.insertSale({ shard: 3 });
  const seen = () => service.workers[0]!.log.some(({ msg }) => msg === 'consuming orders');
  await vi.waitFor(() => expect(seen()).toBe(true), { timeout: 10_000 });
  await delay(FROZEN_MS);
  redis.thaw();

  const orderNo = await vi.waitFor(
    async () => {
      const { order_no: bought } = outcomeOf(
        await shoppers.buy(sale.id, 'alice', await shoppers.token(sale.id, 'alice')),
      );
      expect(bought).toBeDefined();
      return bought!;
    },
    { timeout: 10_000, interval: 100 },
  );
  const boughtMs = performance.now();
  expect(await shoppers.settled(orderNo)).toBe('pending_payment');
  expect(performance.now() - boughtMs).toBeLessThan(WRITTEN_MS_MAX);
}, 90_000);
