import { describe, expect, it } from 'vitest';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { AS_OPERATOR, openApp, openTestApp } from '../../testing/support.ts';

const { context, app } = await openTestApp();

const HOUR_MS = 3_600_000;

describe('GET /api/v1/products/:id', () => {
  it('is not_found for an archived sale, and so are its orders, also in a process that has read it before', async () => {
    const sale = await context.openSale();
    const orderNo = await app.win(sale, 'long-ago');
    const token = await app.tokenOf(sale, 'too-late');
    await context.db.updateTable('products').set({ archiving_at: new Date() }).where('id', '=', sale.id).execute();
    await expect
      .poll(async () => (await app.get(`/api/v1/products/${sale.id}`)).statusCode, { timeout: 5_000 })
      .toBe(404);
    expect(await app.get(`/api/v1/products/${sale.id}`)).toBeProblem('not_found');
    expect(await app.get(`/api/v1/orders/${orderNo}`)).toBeProblem('not_found');
    expect(await app.buy(sale, 'too-late', token)).toBeProblem('not_found');
  });

  it('shows a product with exactly the fields of the contract', async () => {
    const sale = await context.openSale({ name: 'Vase “ú” 花瓶', priceCents: 1_999, stock: 70, seckillStock: 7 });
    const answer = await app.get(`/api/v1/products/${sale.id}`);
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['content-type']).toMatch(/^application\/json\b/);
    expect(answer.json()).toEqual({
      id: sale.id,
      name: 'Vase “ú” 花瓶',
      price: 19.99,
      stock: 70,
      seckill_stock: 7,
      units_per_shopper: 1,
      start_time: new Date(sale.startMs).toISOString(),
      end_time: new Date(sale.endMs).toISOString(),
      status: 'open',
      available: 7,
    });
  });

  it('shows the present available units, and becomes sold_out with the last one', async () => {
    const sale = await context.openSale({ seckillStock: 2, stock: 50 });
    const read = async () => (await app.get(`/api/v1/products/${sale.id}`)).json<object>();
    await app.win(sale, 'first');
    expect(await read()).toMatchObject({ status: 'open', available: 1, stock: 50 });
    await app.win(sale, 'second');
    expect(await read()).toMatchObject({ status: 'sold_out', available: 0, stock: 50 });
  });

  it.each<[string, () => Promise<Sale>, object]>([
    [
      'scheduled',
      () => context.openSale({ startMs: Date.now() + HOUR_MS, endMs: Date.now() + 2 * HOUR_MS }),
      { available: 10 },
    ],
    ['open', () => context.openSale(), { available: 10 }],
    [
      'ended',
      () => context.openSale({ startMs: Date.now() - 2 * HOUR_MS, endMs: Date.now() - HOUR_MS }),
      { available: 10 },
    ],
    ['not_ready', () => context.insertSale(), { available: null }],
  ])('says %s', async (status, make, rest) => {
    const sale = await make();
    expect((await app.get(`/api/v1/products/${sale.id}`)).json()).toMatchObject({ id: sale.id, status, ...rest });
  });

  it('shows paused from the pause to the resume', async () => {
    const sale = await context.openSale();
    const url = `/api/v1/products/${sale.id}`;
    await app.post(`/api/v1/admin/products/${sale.id}/pause`, undefined, AS_OPERATOR);
    expect((await app.get(url)).json()).toMatchObject({ status: 'paused', available: 10 });
    await app.post(`/api/v1/admin/products/${sale.id}/resume`, undefined, AS_OPERATOR);
    expect((await app.get(url)).json()).toMatchObject({ status: 'open', available: 10 });
  });

  it('repeats the answer for a while, but shows at once what an operator changes here', async () => {
    const busy = await openApp(context, {}, { bounds: { productCacheMs: 60_000 } });
    try {
      const sale = await context.openSale({ seckillStock: 3 });
      const read = async () => {
        const [item] = (await busy.get(`/api/v1/products?limit=1&cursor=${sale.id + 1}`)).json<{ items: object[] }>()
          .items;
        expect(item).toEqual((await busy.get(`/api/v1/products/${sale.id}`)).json());
        return item;
      };
      expect(await read()).toMatchObject({ status: 'open', available: 3 });
      await app.win(sale, 'buyer');
      expect(await read()).toMatchObject({ status: 'open', available: 3 });
      await busy.post(`/api/v1/admin/products/${sale.id}/pause`, undefined, AS_OPERATOR);
      expect(await read()).toMatchObject({ status: 'paused', available: 2 });
    } finally {
      await busy.close();
    }
  });

  it('answers 404 for a product that does not exist', async () => {
    expect(await app.get('/api/v1/products/9007199254740991')).toBeProblem('not_found');
  });

  it.each(['abc', '0', '-1', '1.5', '9007199254740993', '%00', '1%27%20OR%201=1'])(
    'refuses %s as an id',
    async (id) => {
      expect(await app.get(`/api/v1/products/${id}`)).toBeProblem('invalid_request');
    },
  );
});

describe('GET /api/v1/products', () => {
  const idsOf = (body: { items: { id: number }[] }) => body.items.map(({ id }) => id);

  it('pages through all sales, newest first, each once', async () => {
    const made: number[] = [];
    for (let i = 0; i < 5; i += 1) made.push((await context.openSale()).id);
    const seen: number[] = [];
    let cursor: string | null = null;
    do {
      const answer = await app.get(`/api/v1/products?limit=2${cursor === null ? '' : `&cursor=${cursor}`}`);
      expect(answer.statusCode).toBe(200);
      const page: { items: { id: number }[]; next_cursor: string | null } = answer.json();
      expect(page.items.length).toBeLessThanOrEqual(2);
      seen.push(...idsOf(page));
      cursor = page.next_cursor;
    } while (cursor !== null);
    expect(seen).toEqual(seen.toSorted((a, b) => b - a));
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toEqual(expect.arrayContaining(made));
  });

  it('shows the items like the product itself, with their live counts', async () => {
    const sale = await context.openSale({ seckillStock: 3 });
    await app.win(sale, 'buyer');
    const [item] = (await app.get(`/api/v1/products?limit=1&cursor=${sale.id + 1}`)).json<{ items: object[] }>().items;
    expect(item).toMatchObject({ id: sale.id, available: 2 });
    expect(item).toEqual((await app.get(`/api/v1/products/${sale.id}`)).json());
  });

  it('ends with an empty page and no cursor', async () => {
    expect((await app.get('/api/v1/products?cursor=1')).json()).toEqual({ items: [], next_cursor: null });
  });

  it.each(['limit=1', 'limit=100'])('takes %s', async (query) => {
    expect((await app.get(`/api/v1/products?${query}`)).statusCode).toBe(200);
  });

  it.each([
    'limit=0',
    'limit=101',
    'limit=-1',
    'limit=ten',
    'limit=1.5',
    'limit=',
    'limit=1&limit=2',
    'cursor=',
    'cursor=0',
    'cursor=abc',
    'cursor=1%20OR%201=1',
    'page=2',
  ])('refuses ?%s', async (query) => {
    expect(await app.get(`/api/v1/products?${query}`)).toBeProblem('invalid_request');
  });
});
