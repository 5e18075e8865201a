import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import { openOwnRedis, type OwnServer } from '../testing/own-servers.ts';
import { startProcess } from '../testing/service.ts';
import { openApp, openTestContext, type TestContext } from '../testing/support.ts';

let redis: OwnServer;
let context: TestContext;

beforeAll(async () => {
  const settings = [
    ...['user-del', 'server-del', 'user-flush', 'expire', 'eviction'].map((what) => [`lazyfree-lazy-${what}`, 'yes']),
    ['notify-keyspace-events', 'KEA'],
    ['client-output-buffer-limit', 'pubsub 32kb 16kb 1'],
    ['timeout', '1'],
  ];
  redis = await openOwnRedis(settings.flatMap(([name, value]) => [`--${name}`, value!]));
  context = await openTestContext(redis.env);
});
afterAll(async () => {
  await context.close();
  await redis.close();
});

it(
  'a Redis that frees memory later, tells of every change, keeps few answers and closes idle connections sells like any other',
  { timeout: 90_000 },
  async () => {
    const worker = await startProcess('worker', context.env);
    const app = await openApp(context);
    try {
      const sale = await context.openSale({ seckillStock: 40 });
      const shoppers = Array.from({ length: 40 }, (_, i) => `u${i}`);
      const statusOf = async (orderNo: string) =>
        (await app.get(`/api/v1/orders/${orderNo}?wait=10`)).json<{ status: string }>().status;
      const orderNos = await Promise.all(shoppers.map((userId) => app.win(sale, userId)));
      expect(new Set(await Promise.all(orderNos.map(statusOf)))).toEqual(new Set(['pending_payment']));

      // A connection that nobody used for a second: the next calls find another one.
      if (app.deps.operatorRedis.status === 'ready') await once(app.deps.operatorRedis, 'close');
      const [first] = orderNos;
      const cancelled = await app.post(`/api/v1/orders/${first}/cancel`, { user_id: shoppers[0] });
      expect(cancelled.json()).toMatchObject({ status: 'cancelled' });
      const available = async () =>
        (await app.get(`/api/v1/products/${sale.id}`)).json<{ available: number }>().available;
      await expect.poll(available, SOON).toBe(1);
      expect(await statusOf(await app.win(sale, 'late'))).toBe('pending_payment');
    } finally {
      await app.close();
      expect(await worker.stop()).toBe(0);
    }
  },
);
