import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import type { OrderStatus } from '@flash-sale/shared/order/order.ts';
import { ORDER_BATCH_MAX } from '@flash-sale/shared/order/orders-table.ts';
import { ORDERS_QUEUE } from '@flash-sale/shared/admission/order-jobs.ts';
import { placeOrders } from '@flash-sale/shared/testing/ordering.ts';
import { aLockIsWaitedFor, holdUpOrdersOf, readLedger, refuseOrdersOf } from './ledger.ts';
import { startPrivateRedis } from '@flash-sale/shared/testing/private-redis.ts';
import { admitAll, shoppers } from './shoppers.ts';
import { startWorker, type WorkerProcess } from './worker-process.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import { openWorld } from './worker-world.ts';

/**
 * After a kill everything must be finished within 10 s. Up to 9 s of them are needed for the lock
 * of the job and two checks for stalled jobs. The rest of the limit is for a busy machine. BullMQ's
 * defaults take 60 s.
 */
const RECOVERY = { timeout: 15_000, interval: 20 };
const TEST_MS_MAX = 90_000;
const JUMPING = new URL('jumping-clock.ts', import.meta.url).pathname;

const statusOf = async ({ ops_port: opsPort }: WorkerProcess, path: string): Promise<number> =>
  (await fetch(`http://127.0.0.1:${opsPort}${path}`)).status;

describe('a worker process that is killed', () => {
  test(
    'while it writes: another one finishes its job within seconds, each order exactly once',
    async () => {
      const { context, queue, failed, completed, buy } = await openWorld();
      const sale = await context.openSale();
      const letGo = await holdUpOrdersOf(context.config, sale, shoppers(5));
      const doomed = await startWorker(context.env);
      await buy(sale, shoppers(5), 'job-killed');
      await aLockIsWaitedFor(context.db);
      expect(await (await queue.getJob('job-killed'))?.getState()).toBe('active');

      doomed.kill('SIGKILL');
      await doomed.exited;
      await letGo();
      await startWorker(context.env);

      await expect.poll(() => completed, RECOVERY).toEqual(['job-killed']);
      expect(failed).toEqual([]);
      const ledger = await readLedger(context.db, sale);
      expect(ledger).toMatchObject({ sold: 5, returns: [] });
      expect(ledger.orders.map(({ status }) => status)).toEqual(Array(5).fill('pending_payment'));
      expect(await context.commands.backlog(sale)).toBe(0);
    },
    TEST_MS_MAX,
  );

  test(
    'three times over the same job does not strand the job',
    async () => {
      const { context, failed, completed, buy } = await openWorld();
      const sale = await context.openSale();
      await buy(sale, shoppers(2), 'job-unlucky');
      for (let deaths = 0; deaths < 3; deaths += 1) {
        const letGo = await holdUpOrdersOf(context.config, sale, shoppers(2));
        const worker = await startWorker(context.env);
        await aLockIsWaitedFor(context.db);
        worker.kill('SIGKILL');
        await worker.exited;
        await letGo();
        // The lock of a dead worker's job is gone after 5 s; the test does not wait for that three
        // times.
        await context.redis.del(`${context.keys.queuePrefix(0)}:${ORDERS_QUEUE}:job-unlucky:lock`);
        await context.redis.del(context.keys.sale(sale).lease);
      }

      await startWorker(context.env);

      await expect.poll(() => completed, RECOVERY).toEqual(['job-unlucky']);
      expect(failed).toEqual([]);
      expect(await readLedger(context.db, sale)).toMatchObject({ sold: 2, orders: { length: 2 } });
    },
    TEST_MS_MAX,
  );
});

describe('a worker process that is asked to end', () => {
  test('finishes the transaction that is under way, sends the rest back and exits 0 within its grace time', async () => {
    const { context, queue, buy } = await openWorld();
    const crowd = shoppers(ORDER_BATCH_MAX + 2);
    const sale = await context.openSale({ seckillStock: crowd.length });
    const letGo = await holdUpOrdersOf(context.config, sale, crowd.slice(0, 1));
    const worker = await startWorker(context.env);
    // The batches before it fill the transaction.
    await admitAll(context, sale, crowd.slice(0, ORDER_BATCH_MAX));
    await buy(sale, crowd.slice(ORDER_BATCH_MAX), 'job-interrupted');
    await aLockIsWaitedFor(context.db);

    worker.kill('SIGTERM');
    await letGo();

    // A process that needs more than its grace time exits with 1.
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    // The process has left nothing that makes others wait.
    expect(await context.redis.exists(context.keys.sale(sale).lease)).toBe(0);
    const { orders } = await readLedger(context.db, sale);
    expect(orders).toHaveLength(ORDER_BATCH_MAX);
    expect(await context.commands.backlog(sale)).toBe(2);
    const job = await queue.getJob('job-interrupted');
    expect(await job?.getState()).toBe('delayed');
    expect(job).toMatchObject({ attemptsMade: 0 });
    expect(job?.failedReason).toBeUndefined();
  });

  test('while Redis is down exits with code 0 within its grace time, during a job', async () => {
    const redis = await startPrivateRedis();
    const { context, buy } = await openWorld(redis.env);
    const sale = await context.openSale();
    const letGo = await holdUpOrdersOf(context.config, sale, shoppers(1));
    const worker = await startWorker(context.env);
    await buy(sale, shoppers(1), 'job-under-way');
    await aLockIsWaitedFor(context.db);

    await redis.kill();
    await letGo();
    await expect.poll(() => statusOf(worker, '/readyz'), SOON).toBe(503);
    worker.kill('SIGTERM');

    expect(await worker.exited).toEqual({ code: 0, signal: null });
    await redis.restart();
    await startWorker(context.env);
    await expect.poll(async () => (await readLedger(context.db, sale)).sold, RECOVERY).toBe(1);
    await expect.poll(() => context.commands.backlog(sale), RECOVERY).toBe(0);
  });

  test('twice, at the moment it is ready, exits with code 0 too', async () => {
    const { context } = await openWorld();
    await context.openSale();
    const worker = await startWorker(context.env);

    worker.kill('SIGTERM');
    worker.kill('SIGINT');

    expect(await worker.exited).toEqual({ code: 0, signal: null });
  });
});

describe('a worker process that is frozen', () => {
  test(
    'in the middle of a sweep: another one expires what is left within seconds, and its waking up does no harm',
    async () => {
      const { context } = await openWorld();
      // Enough orders that one round takes a while.
      const sales = await Promise.all(Array.from({ length: 100 }, () => context.openSale()));
      for (const sale of sales) await placeOrders(context, sale, shoppers(3));
      const leader = async (): Promise<string | undefined> => {
        const { rows } = await sql<{ holder: string }>`
          SELECT holder FROM service_leads
          WHERE service = 'expiry' AND leads_until > UTC_TIMESTAMP(3)`.execute(context.db);
        return rows[0]?.holder;
      };
      const countOf = async (status: OrderStatus): Promise<number> => {
        const { orders } = await context.db
          .selectFrom('orders')
          .select((count) => count.fn.countAll<number>().as('orders'))
          .where('status', '=', status)
          .executeTakeFirstOrThrow();
        return orders;
      };
      const first = await startWorker(context.env);
      await expect.poll(leader, SOON).toBeDefined();
      const frozen = await leader();
      await startWorker(context.env);

      await sql`UPDATE orders SET expires_at = UTC_TIMESTAMP(3)`.execute(context.db);
      await expect.poll(() => countOf('expired'), { timeout: 10_000, interval: 2 }).toBeGreaterThan(0);
      first.kill('SIGSTOP');
      expect(await countOf('pending_payment')).toBeGreaterThan(4 * 3);

      await expect.poll(leader, { timeout: 6_000, interval: 20 }).not.toBe(frozen);
      // All but those of the rows that the frozen process has locked, at most four sales.
      await expect.poll(() => countOf('pending_payment'), { timeout: 10_000 }).toBeLessThanOrEqual(4 * 3);

      first.kill('SIGCONT');
      await expect.poll(() => countOf('pending_payment'), RECOVERY).toBe(0);
      for (const sale of sales) {
        const available = async () => (await context.commands.readSale(sale)).available;
        await expect.poll(available, RECOVERY).toBe(sale.seckillStock);
      }
      const { moves } = await context.db
        .selectFrom('order_history')
        .select((count) => count.fn.countAll<number>().as('moves'))
        .executeTakeFirstOrThrow();
      expect(moves).toBe(100 * 3);
    },
    TEST_MS_MAX,
  );
});

test('a worker process is ready while both servers answer, and counts what it writes', async () => {
  const { context, buy } = await openWorld();
  const sale = await context.openSale();
  const worker = await startWorker(context.env);
  const ops = (path: string) => fetch(`http://127.0.0.1:${worker.ops_port}${path}`);

  const ready = await ops('/readyz');
  expect(ready.status).toBe(200);
  expect(await ready.json()).toEqual({ status: 'ready', redis: true, mysql: true });

  await buy(sale, shoppers(2), 'job-counted');
  await expect
    .poll(async () => (await ops('/metrics')).text(), SOON)
    .toMatch(/seckill_orders_written_total\{shard="0",status="pending_payment",process="worker"\} 2/);
});

test('a worker process that finishes no job while others wait reports that at /healthz, until it continues', async () => {
  const { context, buy } = await openWorld({ WORKER_CONCURRENCY: '1' });
  const sale = await context.openSale();
  const letGo = await holdUpOrdersOf(context.config, sale, shoppers(1));
  const worker = await startWorker({ ...context.env, NODE_OPTIONS: `--import ${JUMPING}` });
  expect(await statusOf(worker, '/healthz')).toBe(200);
  await buy(sale, shoppers(1), 'job-held-up');
  await buy(sale, shoppers(1, 'later'), 'job-behind-it');

  const healthz = async () => {
    // A minute passes at each check.
    worker.kill('SIGUSR2');
    return (await fetch(`http://127.0.0.1:${worker.ops_port}/healthz`)).json();
  };
  await expect.poll(healthz, SOON).toEqual({ status: 'stuck', shards: [0] });
  await letGo();

  await expect.poll(async () => (await readLedger(context.db, sale)).sold, RECOVERY).toBe(2);
  await expect.poll(() => statusOf(worker, '/healthz'), SOON).toBe(200);
});

test('after Redis was killed and is back, the worker writes again by itself: earlier accepted orders and later ones', async () => {
  const redis = await startPrivateRedis();
  const { context, buy } = await openWorld(redis.env);
  const sale = await context.openSale();
  const letGo = await holdUpOrdersOf(context.config, sale, shoppers(2));
  const worker = await startWorker(context.env);
  await buy(sale, shoppers(2), 'job-before');
  await aLockIsWaitedFor(context.db);

  await redis.kill();
  await letGo();
  await expect.poll(() => statusOf(worker, '/readyz'), SOON).toBe(503);
  await redis.restart();
  await expect.poll(async () => (await context.commands.readSale(sale)).ready, SOON).toBe(true);
  await buy(sale, shoppers(2, 'later'), 'job-after');

  await expect.poll(async () => (await readLedger(context.db, sale)).sold, RECOVERY).toBe(4);
  await expect.poll(() => context.commands.backlog(sale), RECOVERY).toBe(0);
  await expect.poll(() => statusOf(worker, '/readyz'), SOON).toBe(200);
});

test('units of failed orders become available again while the worker runs: nothing leaks', async () => {
  const { context, buy } = await openWorld();
  const sale = await context.openSale({ seckillStock: 3 });
  await refuseOrdersOf(context.db, 'unlucky');
  await startWorker(context.env);

  await buy(sale, [...shoppers(2), 'unlucky'], 'job-with-poison');

  await expect.poll(async () => (await context.commands.readSale(sale)).available, SOON).toBe(1);
  await expect.poll(async () => (await readLedger(context.db, sale)).returns, SOON).toMatchObject([{ applied: true }]);
  const { orders, sold } = await readLedger(context.db, sale);
  expect(sold).toBe(2);
  expect(orders.filter(({ status }) => status === 'failed')).toMatchObject([{ user_id: 'unlucky', reason: 'refused' }]);
});
