import { expect, onTestFinished, test } from 'vitest';
import { openOrderQueues } from '../../src/admission/order-queues.ts';
import { writeOrders } from '../../src/admission/order-jobs.ts';
import { connectRedis } from '../../src/platform/redis/client.ts';
import { openTestContext } from '../../testing/support.ts';
import { startPrivateRedis } from '../../testing/private-redis.ts';
import { SOON } from '../../testing/soon.ts';

test('a queue whose start failed, since Redis was frozen at its first use, is replaced: jobs are added again', async () => {
  const redis = await startPrivateRedis();
  const context = await openTestContext({ ...redis.env, REDIS_TIMEOUT_MS: '300' });
  onTestFinished(() => context.close());
  const connection = connectRedis(context.config, 'producer').on('error', () => undefined);
  const queues = openOrderQueues({ connection, keys: context.keys, log: context.log });
  onTestFinished(async () => {
    await queues.close();
    connection.disconnect();
  });
  await expect.poll(() => connection.status, SOON).toBe('ready');
  const add = (batchNo: string) => {
    const { name, data, opts } = writeOrders({ id: 1, shard: 0 }, batchNo);
    return queues.of(0).add(name, data, opts);
  };

  redis.freeze();
  await expect(add('job-frozen')).rejects.toThrow('timed out');
  redis.thaw();

  await expect.poll(async () => (await add('job-later')).id, SOON).toBe('job-later');
  expect(await queues.of(0).getWaitingCount()).toBe(1);
});
