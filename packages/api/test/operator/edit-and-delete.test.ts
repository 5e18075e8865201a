import { afterAll, describe, expect, it } from 'vitest';
import { markCleaned } from '@flash-sale/shared/sale/clean-up-table.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
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

const HOUR_MS = 3_600_000;

const { context, app } = await openTestApp({ VIEWER_TOKEN });
/** Another api process on the same servers. */
const other = await openApp(context);
afterAll(() => other.close());

const edit = ({ id }: Pick<Sale, 'id'>, payload: object, headers: Record<string, string> = AS_OPERATOR) =>
  app.server.inject({ method: 'PATCH', url: `/api/v1/admin/products/${id}`, payload, headers });
const remove = ({ id }: Pick<Sale, 'id'>, headers: Record<string, string> = AS_OPERATOR) =>
  app.server.inject({ method: 'DELETE', url: `/api/v1/admin/products/${id}`, headers });
const productAt = async (replica: TestApp, { id }: Pick<Sale, 'id'>): Promise<Record<string, unknown>> =>
  (await replica.get(`/api/v1/products/${id}`)).json();

/** A sale that opens in an hour. */
const scheduled = () => context.openSale({ startMs: Date.now() + HOUR_MS, endMs: Date.now() + 2 * HOUR_MS });

async function actionsOn({ id }: Pick<Sale, 'id'>): Promise<{ action: string; detail: unknown }[]> {
  const answer = await app.get('/api/v1/admin/actions?limit=100', AS_VIEWER);
  const { items } = answer.json<{ items: { action: string; subject: string; detail: unknown }[] }>();
  return items.filter(({ subject }) => subject === `product ${id}`).toReversed();
}

describe('PATCH /api/v1/admin/products/:id before the start', () => {
  it('changes everything at once in every replica, in MySQL and in Redis, and records it', async () => {
    const sale = await scheduled();
    await productAt(other, sale);
    const facts = {
      name: '新 name',
      price: 5.5,
      start_time: new Date(Date.now() - 1_000).toISOString(),
      end_time: new Date(Date.now() + 3 * HOUR_MS).toISOString(),
      description: 'Two\nlines',
      image_url: 'https://shop.example/a.png',
    };

    const answer = await edit(sale, facts);

    expect(answer.json()).toMatchObject({ id: sale.id, ...facts, status: 'open', available: 10 });
    expect(await productAt(other, sale)).toEqual(answer.json());
    // The new start and price are in effect for buys.
    const orderNo = await other.win(sale, 'buyer');
    expect((await other.get(`/api/v1/orders/${orderNo}`)).json()).toMatchObject({ price: 5.5 });
    expect(await actionsOn(sale)).toMatchObject([
      { action: 'edit', detail: { name: '新 name', price: 5.5, instead_of: { name: 'test sale', price: 19.99 } } },
    ]);
  });

  it('changes only what is given; null removes a text; a repeat changes and records nothing', async () => {
    const sale = await scheduled();
    await edit(sale, { description: 'text', image_url: 'https://shop.example/a.png' });
    const before = await productAt(app, sale);
    expect((await edit(sale, { description: null })).json()).not.toHaveProperty('description');
    expect((await edit(sale, { description: null })).statusCode).toBe(200);
    const { description: _, ...rest } = before;
    expect(await productAt(other, sale)).toEqual(rest);
    expect(await actionsOn(sale)).toHaveLength(2);
  });

  it('a sale that starts later does not sell before', async () => {
    const sale = await context.openSale({ startMs: Date.now() + HOUR_MS, endMs: Date.now() + 2 * HOUR_MS });
    await edit(sale, { start_time: new Date(Date.now() + HOUR_MS + 60_000).toISOString() });
    const token = await other.tokenOf(sale, 'early');
    expect(await other.buy(sale, 'early', token)).toBeProblem('not_started');
  });

  it('refuses what is not valid, and stops nothing for it', async () => {
    const sale = await scheduled();
    const state = await context.redis.hgetall(context.keys.sale(sale).state);
    for (const wrong of [
      {},
      { name: ' ' },
      { name: 'a\u0000' },
      { price: 0 },
      { price: 1.001 },
      { price: 10_000, units_per_shopper: 100 },
      { seckill_stock: 5 },
      { start_time: new Date(sale.endMs).toISOString() },
      { end_time: new Date(sale.startMs).toISOString() },
      { end_time: '2020-01-01T00:00:00Z', start_time: '2019-01-01T00:00:00Z' },
      { description: 'x'.repeat(2_001) },
      { description: 'a\u0000b' },
      { description: '\ud800' },
      { image_url: 'http://shop.example/a.png' },
      { image_url: 'https://user:secret@shop.example/a.png' },
      { image_url: 'https://' },
      { image_url: `https://shop.example/${'a'.repeat(2_048)}` },
      { image_url: 'javascript:alert(1)' },
    ]) {
      expect(await edit(sale, wrong)).toBeProblem('invalid_request');
    }
    expect(await context.redis.hgetall(context.keys.sale(sale).state)).toEqual(state);
    expect(await edit(sale, { name: 'n' }, AS_VIEWER)).toBeProblem('forbidden');
    expect(await edit({ id: 999_999 }, { name: 'n' })).toBeProblem('not_found');
    expect(await actionsOn(sale)).toEqual([]);
  });

  it('counts the characters of a description, not its bytes', async () => {
    const sale = await scheduled();
    const description = '汉😀'.repeat(1_000);
    expect((await edit(sale, { description })).json()).toMatchObject({ description });
  });

  it('is refused while another process holds the lease', async () => {
    const sale = await scheduled();
    await takeLease(context, sale);
    expect(await edit(sale, { name: 'new' })).toBeProblem('overloaded');
    await context.redis.del(context.keys.sale(sale).lease);
    await takeLease(context, sale);
    expect(await remove(sale)).toBeProblem('overloaded');
    await context.redis.del(context.keys.sale(sale).lease);
    expect((await edit(sale, { name: 'new' })).statusCode).toBe(200);
  });
});

describe('PATCH /api/v1/admin/products/:id from the start on', () => {
  it('keeps price and start; texts and the end may change', async () => {
    const sale = await context.openSale();
    for (const fixed of [{ price: 1 }, { start_time: new Date(sale.startMs + 1_000).toISOString() }]) {
      const answer = await edit(sale, { ...fixed, name: 'new' });
      expect(answer).toBeProblem('invalid_state');
      expect(answer.json<{ detail: string }>().detail).toContain(Object.keys(fixed)[0]);
    }
    expect(await productAt(app, sale)).toMatchObject({ name: 'test sale', price: 19.99, status: 'open' });
    const longer = { end_time: new Date(Date.now() + 9 * HOUR_MS).toISOString() };
    // The same price is no change.
    expect((await edit(sale, { name: 'new', ...longer, price: 19.99 })).json()).toMatchObject({
      name: 'new',
      ...longer,
    });
    await other.win(sale, 'after-the-change');
    expect(await productAt(other, sale)).toMatchObject({ available: 9, status: 'open' });
  });

  it('nothing changes after the end', async () => {
    const sale = await context.openSale({ startMs: Date.now() - HOUR_MS, endMs: Date.now() - 1_000 });
    expect(await edit(sale, { name: 'new' })).toBeProblem('ended');
    expect(await edit(sale, { end_time: new Date(Date.now() + HOUR_MS).toISOString() })).toBeProblem('ended');
  });
});

describe('DELETE /api/v1/admin/products/:id', () => {
  it('deletes a sale without orders from MySQL and Redis, also for the other replicas', async () => {
    for (const sale of [await scheduled(), await context.openSale()]) {
      await productAt(other, sale);
      const answer = await remove(sale);
      expect([answer.statusCode, answer.body]).toEqual([204, '']);
      expect(await app.get(`/api/v1/products/${sale.id}`)).toBeProblem('not_found');
      await expect.poll(async () => (await other.get(`/api/v1/products/${sale.id}`)).statusCode).toBe(404);
      expect(await context.redis.keys(`${context.config.REDIS_PREFIX}*sale:{0}:${sale.id}:*`)).toEqual([]);
      expect(await context.redis.smembers(context.keys.stopped(0))).not.toContain(String(sale.id));
      expect(await remove(sale)).toBeProblem('not_found');
      expect(await actionsOn(sale)).toMatchObject([{ action: 'delete', detail: { name: 'test sale' } }]);
    }
  });

  it('keeps a sale that has an order, queued or written, and does not stop it', async () => {
    const queued = await context.openSale();
    await app.win(queued, 'buyer');
    const written = await context.openSale();
    await settleOrder(context, written, await app.win(written, 'buyer'));
    for (const sale of [queued, written]) {
      expect(await remove(sale)).toBeProblem('invalid_state');
      expect(await productAt(other, sale)).toMatchObject({ status: 'open', available: 9 });
      expect(await actionsOn(sale)).toEqual([]);
    }
  });

  it('never loses an order: of a delete and buys at the same time, one wins', async () => {
    for (let round = 0; round < 10; round += 1) {
      const sale = await context.openSale();
      const token = await other.tokenOf(sale, 'buyer');
      const [bought, removed] = await Promise.all([other.buy(sale, 'buyer', token), remove(sale)]);
      const outcome = [bought.statusCode === 202, removed.statusCode === 204];
      expect(outcome[0]).not.toBe(outcome[1]);
    }
  });

  it('deletes a sale that Redis does not keep any more', async () => {
    const sale = await context.insertSale({ startMs: Date.now() - 50 * HOUR_MS, endMs: Date.now() - 40 * HOUR_MS });
    await markCleaned(context.db, sale.id, 0);
    expect((await remove(sale)).statusCode).toBe(204);
    expect(await remove(sale)).toBeProblem('not_found');
  });

  it('is for admins', async () => {
    const sale = await scheduled();
    expect(await remove(sale, AS_VIEWER)).toBeProblem('forbidden');
    expect(await remove(sale, {})).toBeProblem('unauthenticated');
    expect(await productAt(app, sale)).toMatchObject({ id: sale.id });
  });
});

describe('a new product', () => {
  it('has a description and a picture if they are given', async () => {
    const fields = {
      name: 'with texts',
      price: 1,
      stock: 1,
      seckill_stock: 1,
      start_time: '2030-01-01T00:00:00Z',
      end_time: '2030-01-01T01:00:00Z',
    };
    const texts = { description: '<b>text</b>', image_url: 'https://shop.example/a.png?b=c' };
    const made = await app.post('/api/v1/admin/products', { ...fields, ...texts }, AS_OPERATOR);
    expect(made.statusCode).toBe(201);
    expect(made.json()).toMatchObject(texts);
    const list = (await app.get('/api/v1/products?limit=1')).json<{ items: object[] }>();
    expect(list.items[0]).toMatchObject(texts);
    const plain = await app.post('/api/v1/admin/products', fields, AS_OPERATOR);
    expect(Object.keys(plain.json())).not.toContain('description');
    const wrong = await app.post('/api/v1/admin/products', { ...fields, image_url: 'http://x.example' }, AS_OPERATOR);
    expect(wrong).toBeProblem('invalid_request');
  });
});
