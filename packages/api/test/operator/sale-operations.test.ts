import { Worker } from 'bullmq';
import { afterAll, describe, expect, it } from 'vitest';
import { markCleaned } from '@flash-sale/shared/sale/clean-up-table.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { ORDERS_QUEUE, writeOrders } from '@flash-sale/shared/admission/order-jobs.ts';
import { connectRedis } from '@flash-sale/shared/platform/redis/client.ts';
import { takeLease } from '@flash-sale/shared/testing/buying.ts';
import {
  AS_OPERATOR,
  AS_VIEWER,
  openApp,
  openTestApp,
  settleOrder,
  type TestApp,
  VIEWER_TOKEN,
} from '../../testing/support.ts';
import { batchNoOf } from '@flash-sale/shared/order/order-number.ts';

const { context, app } = await openTestApp({ VIEWER_TOKEN });
/** Another api process on the same servers. */
const other = await openApp(context);
afterAll(() => other.close());

const act = (sale: Pick<Sale, 'id'>, action: string, body?: object, headers: Record<string, string> = AS_OPERATOR) =>
  app.post(`/api/v1/admin/products/${sale.id}/${action}`, body, headers);
const productAt = async (replica: TestApp, { id }: Pick<Sale, 'id'>): Promise<Record<string, unknown>> =>
  (await replica.get(`/api/v1/products/${id}`)).json();

/** What was recorded about a sale, oldest first. */
async function actionsOn({ id }: Pick<Sale, 'id'>): Promise<{ action: string; detail: unknown; operator: string }[]> {
  const answer = await app.get('/api/v1/admin/actions?limit=100', AS_VIEWER);
  const { items } = answer.json<{ items: { action: string; subject: string; detail: unknown; operator: string }[] }>();
  return items.filter(({ subject }) => subject === `product ${id}`).toReversed();
}

describe('GET /api/v1/admin/products', () => {
  it('lists sales with their present units, reservations and orders', async () => {
    const sale = await context.openSale({ seckillStock: 5 });
    await settleOrder(context, sale, await app.win(sale, 'written'));
    await app.win(sale, 'queued');
    const answer = await app.get('/api/v1/admin/products?limit=1', AS_VIEWER);
    expect(answer.json()).toEqual({
      items: [{ ...(await productAt(app, sale)), shard: 0, available: 3, held: 2, backlog: 1, sold: 1 }],
      next_cursor: String(sale.id),
    });
    const next = await app.get(`/api/v1/admin/products?limit=1&cursor=${sale.id}`, AS_VIEWER);
    for (const { id } of next.json<{ items: { id: number }[] }>().items) expect(id).toBeLessThan(sale.id);
  });
});

describe('a pause', () => {
  it('is in effect in every replica when it is answered: the next buy at another one is refused; the same for a resume', async () => {
    const sale = await context.openSale();
    const token = await other.tokenOf(sale, 'patient');
    for (let i = 0; i < 3; i += 1) {
      await act(sale, 'pause');
      expect(await other.buy(sale, 'patient', token)).toBeProblem('paused');
      expect(await productAt(other, sale)).toMatchObject({ status: 'paused' });
      await act(sale, 'resume');
      expect(await productAt(other, sale)).toMatchObject({ status: 'open' });
    }
    expect((await other.buy(sale, 'patient', token)).statusCode).toBe(202);
  });
});

describe('POST /api/v1/admin/products/:id/end', () => {
  it('ends the sale at once in every replica; earlier admissions stay valid', async () => {
    const sale = await context.openSale();
    await productAt(other, sale);
    const orderNo = await other.win(sale, 'in_time');
    const token = await other.tokenOf(sale, 'late');

    const answer = await act(sale, 'end');

    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({ id: sale.id, status: 'ended' });
    expect(await other.buy(sale, 'late', token)).toBeProblem('ended');
    expect(await productAt(other, sale)).toEqual(answer.json());
    expect((await other.buy(sale, 'in_time', token)).statusCode).not.toBe(202);
    expect((await other.get(`/api/v1/orders/${orderNo}`)).json()).toMatchObject({ status: 'queued' });
  });

  it('repeated changes nothing and records nothing', async () => {
    const sale = await context.openSale();
    const first = await act(sale, 'end');
    const second = await act(sale, 'end');
    expect([second.statusCode, second.json()]).toEqual([200, first.json()]);
    expect(await actionsOn(sale)).toMatchObject([
      { action: 'end', detail: { end_time: first.json<{ end_time: string }>().end_time } },
    ]);
  });
});

describe('POST /api/v1/admin/products/:id/top-up', () => {
  it('adds the units at once in every replica, and records it once, however often it is requested', async () => {
    const sale = await context.openSale({ seckillStock: 1 });
    await other.win(sale, 'first');
    const token = await other.tokenOf(sale, 'second');
    expect(await other.buy(sale, 'second', token)).toBeProblem('sold_out');

    for (let i = 0; i < 2; i += 1) {
      const answer = await act(sale, 'top-up', { seckill_stock: 3 });
      expect(answer.statusCode).toBe(200);
      expect(answer.json()).toMatchObject({ seckill_stock: 3, available: 2, status: 'open' });
    }

    expect(await productAt(other, sale)).toMatchObject({ seckill_stock: 3, available: 2 });
    expect((await other.buy(sale, 'second', token)).statusCode).toBe(202);
    expect(await actionsOn(sale)).toMatchObject([{ action: 'top_up', detail: { seckill_stock: 3, instead_of: 1 } }]);
  });

  it.each<[string, object]>([
    ['fewer units', { seckill_stock: 4 }],
    ['more units than stock', { seckill_stock: 11 }],
    ['more units than the bound', { seckill_stock: 10_000_001, stock: 10_000_001 }],
    ['half a unit', { seckill_stock: 6.5 }],
    ['text', { seckill_stock: '6' }],
    ['nothing', {}],
    ['a field that does not exist', { seckill_stock: 6, price: 1 }],
  ])('refuses %s, and the sale stands', async (_, body) => {
    const sale = await context.openSale({ seckillStock: 5, stock: 10 });
    const answer = await act(sale, 'top-up', body);
    expect(answer).toBeProblem('invalid_request');
    expect(answer.json()).toHaveProperty('detail');
    expect(await productAt(app, sale)).toMatchObject({ seckill_stock: 5, available: 5, status: 'open' });
    expect(await actionsOn(sale)).toEqual([]);
  });

  it('refuses a sale that has ended', async () => {
    const sale = await context.openSale();
    await act(sale, 'end');
    expect(await act(sale, 'top-up', { seckill_stock: 20 })).toBeProblem('ended');
  });
});

describe('rebuild, audit and repair', () => {
  it('a rebuild opens a sale that Redis has lost', async () => {
    const sale = await context.openSale({ seckillStock: 5 });
    await app.win(sale, 'first');
    await context.redis.hset(context.keys.sale(sale).state, 'ready', '0');
    const answer = await act(sale, 'rebuild');
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({ id: sale.id, status: 'open', held: 1, available: 4 });
    expect(await actionsOn(sale)).toMatchObject([{ action: 'rebuild' }]);
  });

  it('a sale that Redis does not keep any more is not loaded again', async () => {
    const sale = await context.insertSale();
    await markCleaned(context.db, sale.id, 0);
    expect(await act(sale, 'rebuild')).toBeProblem('ended');
    expect(await context.redis.exists(context.keys.sale(sale).state)).toBe(0);
  });

  it('an audit names a drift, a repair repairs it, and a clean sale is not changed', async () => {
    const sale = await context.openSale({ seckillStock: 5 });
    await context.redis.hincrby(context.keys.sale(sale).state, 'available', 1);
    const audit = await act(sale, 'audit');
    expect(audit.json()).toMatchObject({ sale_id: sale.id, verdict: 'drift', units: 5, available: 6 });
    expect(audit.json<{ findings: string[] }>().findings.join()).toContain('available 6 + held 0');
    expect((await act(sale, 'repair')).json()).toMatchObject({ verdict: 'drift', repaired: true });
    expect(await productAt(app, sale)).toMatchObject({ available: 5, status: 'open' });
    expect((await act(sale, 'repair')).json()).toMatchObject({ verdict: 'clean', repaired: false, findings: [] });
    expect((await actionsOn(sale)).map(({ action }) => action)).toEqual(['audit', 'repair', 'repair']);
  });

  it('a repair adds the jobs of late orders to the queue again', async () => {
    const sale = await context.openSale({ seckillStock: 5 });
    const orderNo = await app.win(sale, 'patient');
    await context.redis.zincrby(context.keys.sale(sale).batchTimes, -60_000, batchNoOf(orderNo));
    const jobs = await context.redis.keys(`${context.keys.queuePrefix(0)}:orders:*`);
    await context.redis.unlink(jobs);
    expect((await act(sale, 'audit')).json()).toMatchObject({ verdict: 'late' });
    expect((await act(sale, 'repair')).json()).toMatchObject({ verdict: 'late', repaired: true });
    expect(await context.redis.llen(`${context.keys.queuePrefix(0)}:orders:wait`)).toBe(1);
  });

  // Each waits for its lease in vain.
  it.concurrent.each([['end'], ['top-up', { seckill_stock: 20 }], ['rebuild'], ['audit'], ['repair']] as [
    string,
    object?,
  ][])('%s of a sale that somebody else holds is shed, and nothing is done', async (action, body) => {
    const sale = await context.openSale();
    await takeLease(context, sale);
    const before = await productAt(app, sale);
    expect(await act(sale, action, body)).toBeProblem('overloaded');
    expect(await productAt(app, sale)).toEqual(before);
  });
});

describe('GET /api/v1/admin/jobs', () => {
  it('lists what waits, jobs that failed before first, with their error', async () => {
    const queue = app.deps.queue(0);
    // Buys of other tests left theirs.
    await queue.obliterate({ force: true });
    const sale = await context.openSale();
    const add = (id: string, orders?: number) => {
      const { name, data, opts } = writeOrders(sale, id, orders);
      return queue.add(name, data, opts);
    };
    await add('job-failing', 2);
    const connection = connectRedis(context.config, 'blocking');
    const worker = new Worker(ORDERS_QUEUE, () => Promise.reject(new Error('MySQL has gone away')), {
      connection,
      prefix: context.keys.queuePrefix(0),
      settings: { backoffStrategy: () => 60_000 },
    });
    await new Promise((resolve) => worker.once('failed', resolve));
    await worker.close();
    connection.disconnect();
    await add('job-waiting');

    const answer = await app.get('/api/v1/admin/jobs', AS_VIEWER);

    expect(answer.json()).toMatchObject({
      counts: { active: 0, waiting: 1, delayed: 1 },
      items: [
        {
          job_id: 'job-failing',
          state: 'delayed',
          sale_id: sale.id,
          orders: 2,
          attempts: 1,
          error: 'MySQL has gone away',
        },
        { job_id: 'job-waiting', state: 'waiting', orders: null, attempts: 0, error: null },
      ],
    });
    expect((await app.get('/api/v1/admin/jobs?limit=1', AS_VIEWER)).json<{ items: unknown[] }>().items).toHaveLength(1);
  });
});

describe('who may', () => {
  const CHANGES: readonly [string, object?][] = [
    ['products/1/end'],
    ['products/1/top-up', { seckill_stock: 20 }],
    ['products/1/rebuild'],
    ['products/1/audit'],
    ['products/1/repair'],
    ['token-secrets/rotate'],
  ];

  it.each(CHANGES)('%s: an admin only', async (path, body) => {
    expect(await app.post(`/api/v1/admin/${path}`, body)).toBeProblem('unauthenticated');
    expect(await app.post(`/api/v1/admin/${path}`, body, AS_VIEWER)).toBeProblem('forbidden');
  });

  it.each([['products'], ['jobs']])('%s: a viewer', async (path) => {
    expect(await app.get(`/api/v1/admin/${path}`)).toBeProblem('unauthenticated');
    expect((await app.get(`/api/v1/admin/${path}`, AS_VIEWER)).statusCode).toBe(200);
  });

  it.each(CHANGES.filter(([path]) => path.startsWith('products/')))('%s: of a sale that exists', async (path, body) => {
    const url = `/api/v1/admin/${path.replace('/1/', '/999999/')}`;
    expect(await app.post(url, body, AS_OPERATOR)).toBeProblem('not_found');
  });

  it('each call is in the OpenAPI document with all of its possible answers', async () => {
    const { paths } = (await app.get('/docs/json')).json<{
      paths: Record<string, Record<string, { responses: object }>>;
    }>();
    const called = [...CHANGES.map(([path]) => ['post', path] as const), ['get', 'products'], ['get', 'jobs']] as const;
    for (const [method, path] of called) {
      const { responses } = paths[`/api/v1/admin/${path.replace('/1/', '/{id}/')}`]![method]!;
      const statuses = ['200', '400', '401', '403', '429', '500', '503'];
      if (path.includes('/1/')) statuses.push('404', '409');
      if (path === 'token-secrets/rotate') statuses.push('409');
      expect([path, Object.keys(responses)]).toEqual([path, expect.arrayContaining(statuses)]);
    }
  });
});
