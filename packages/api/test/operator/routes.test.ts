import { describe, expect, it } from 'vitest';
import { acquireLease } from '@flash-sale/shared/sale/lease.ts';
import { loadSale } from '@flash-sale/shared/reconciliation/rebuild.ts';
import { AS_OPERATOR, openApp, openTestApp, OPERATOR_TOKEN } from '../../testing/support.ts';

const { context, app } = await openTestApp();

const VALID = {
  name: 'Lamp',
  price: 19.99,
  stock: 100,
  seckill_stock: 5,
  start_time: '2026-01-01T00:00:00Z',
  end_time: '2099-12-31T23:59:59.999Z',
};
const create = (body: unknown, headers: Record<string, string> = AS_OPERATOR) =>
  app.post('/api/v1/admin/products', body, headers);
const countSales = async () => (await context.db.selectFrom('products').select('id').execute()).length;
const basic = (password: string, user = 'anyone') => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});

describe('POST /api/v1/admin/products', () => {
  it('creates a sale that sells at once: 201, and the next buy is accepted', async () => {
    const answer = await create(VALID);
    expect(answer.statusCode).toBe(201);
    const product = answer.json<{ id: number }>();
    expect(answer.headers.location).toBe(`/api/v1/products/${product.id}`);
    expect(product).toEqual({
      ...VALID,
      units_per_shopper: 1,
      id: product.id,
      start_time: '2026-01-01T00:00:00.000Z',
      status: 'open',
      available: 5,
    });
    await app.win(product, 'first');
    expect((await app.get(`/api/v1/products/${product.id}`)).json()).toMatchObject({ available: 4 });
  });

  it('takes no id that Redis knows: a sale that MySQL lost in a failover keeps its orders to itself', async () => {
    const { id: lastId } = (await create(VALID)).json<{ id: number }>();
    // Sales that the promoted MySQL never had, but Redis has.
    for (const id of [lastId + 1, lastId + 2])
      await context.redis.hset(context.keys.sale({ id, shard: 0 }).state, 'ready', '1');

    const created = await create(VALID);

    expect(created.statusCode).toBe(201);
    expect(created.json()).toMatchObject({ id: lastId + 3, status: 'open', available: VALID.seckill_stock });
  });

  it('is not stopped again by a worker that also waited to load the sale', async () => {
    const sale = await context.insertSale();
    const lease = (await acquireLease(context.commands, sale, 5_000))!;
    const loads = Promise.all([loadSale(context, sale, 10_000), loadSale(context, sale, 10_000)]);
    // Both have found the sale unloaded, and wait.
    await expect.poll(() => context.redis.exists(context.keys.sale(sale).leaseWaiting), { timeout: 5_000 }).toBe(1);
    await lease.release();
    expect((await loads).filter((loaded) => loaded !== undefined)).toHaveLength(1);
    await app.win(sale, 'first');
  });

  it.each([
    ['the lowest price', { price: 0.01 }],
    ['the highest price', { price: 999_999.99 }],
    ['the highest price of all units of an order', { price: 9_999.99, units_per_shopper: 100 }],
    ['a price that binary floating point cannot hold', { price: 1.1 }],
    ['one unit that is all there is', { stock: 1, seckill_stock: 1 }],
    ['a name of 200 characters beyond the basic plane', { name: '😀'.repeat(200) }],
    ['a sale that lasts as long as the calendar', { end_time: '9999-12-31T23:59:59.999Z' }],
    ['the 29th of February of a leap year', { start_time: '2024-02-29T00:00:00Z' }],
  ])('takes %s and gives it back unchanged', async (_what, change) => {
    const answer = await create({ ...VALID, ...change });
    expect(answer.statusCode).toBe(201);
    const time = 'start_time' in change ? { start_time: '2024-02-29T00:00:00.000Z' } : {};
    expect(answer.json()).toMatchObject({ ...change, ...time });
    expect((await app.get(String(answer.headers.location))).json()).toEqual(answer.json());
  });

  it('reads a time with an offset as the same instant in UTC', async () => {
    const answer = await create({ ...VALID, start_time: '2026-01-01T08:00:00+08:00' });
    expect(answer.json()).toMatchObject({ start_time: '2026-01-01T00:00:00.000Z' });
  });

  it.each<[string, unknown]>([
    ['a price with three decimals', { ...VALID, price: 19.999 }],
    ['a price of nothing', { ...VALID, price: 0 }],
    ['a negative price', { ...VALID, price: -1 }],
    ['a price above the bound', { ...VALID, price: 1_000_000 }],
    ['an order that costs more than Stripe can charge', { ...VALID, price: 10_000, units_per_shopper: 100 }],
    ['a price of 1e21', { ...VALID, price: 1e21 }],
    ['a price of 1e-7', { ...VALID, price: 1e-7 }],
    ['a price as text', { ...VALID, price: '19.99' }],
    ['a price that is null', { ...VALID, price: null }],
    ['an end before the start', { ...VALID, end_time: '2025-12-31T00:00:00Z' }],
    ['an end at the start', { ...VALID, end_time: VALID.start_time }],
    ['the 30th of February', { ...VALID, start_time: '2026-02-30T00:00:00Z' }],
    ['the 29th of February of a common year', { ...VALID, start_time: '2026-02-29T00:00:00Z' }],
    ['the 31st of April', { ...VALID, end_time: '2099-04-31T00:00:00Z' }],
    ['a 13th month', { ...VALID, start_time: '2026-13-01T00:00:00Z' }],
    ['a day zero', { ...VALID, start_time: '2026-01-00T00:00:00Z' }],
    ['a 24th hour', { ...VALID, start_time: '2026-01-01T24:00:00Z' }],
    ['a 60th minute', { ...VALID, start_time: '2026-01-01T00:60:00Z' }],
    ['an offset of a day', { ...VALID, start_time: '2026-01-01T00:00:00+24:00' }],
    ['an end in the year 10000', { ...VALID, end_time: '9999-12-31T23:59:59-12:00' }],
    ['a time without a zone', { ...VALID, start_time: '2026-01-01T00:00:00' }],
    ['a date without a time', { ...VALID, start_time: '2026-01-01' }],
    ['a time in milliseconds', { ...VALID, start_time: 1_767_225_600_000 }],
    ['an empty time', { ...VALID, start_time: '' }],
    ['less stock than the sale has', { ...VALID, stock: 4 }],
    ['no unit', { ...VALID, seckill_stock: 0 }],
    ['minus one unit', { ...VALID, seckill_stock: -1 }],
    ['half a unit', { ...VALID, seckill_stock: 0.5 }],
    ['units as text', { ...VALID, seckill_stock: '5' }],
    ['more units than the bound', { ...VALID, stock: 1_000_000_000, seckill_stock: 10_000_001 }],
    ['stock above the bound', { ...VALID, stock: 1_000_000_001 }],
    ['a stock of 1e300', { ...VALID, stock: 1e300 }],
    ['a blank name', { ...VALID, name: ' \u3000 ' }],
    ['an empty name', { ...VALID, name: '' }],
    ['a name of 201 characters', { ...VALID, name: 'x'.repeat(201) }],
    ['a name of 201 characters beyond the basic plane', { ...VALID, name: '😀'.repeat(201) }],
    ['a name of 200 graphemes of seven code points', { ...VALID, name: '👨‍👩‍👧‍👦'.repeat(200) }],
    ['a name with a line feed', { ...VALID, name: 'a\nb' }],
    ['a name with a NUL', { ...VALID, name: 'a\u0000b' }],
    ['a name with half a surrogate pair', { ...VALID, name: 'a\ud800' }],
    ['a name that is a number', { ...VALID, name: 5 }],
    ['a missing field', { ...VALID, end_time: undefined }],
    ['a field that does not exist', { ...VALID, discount: 1 }],
    ['an id of the caller’s choice', { ...VALID, id: 1 }],
    ['a list', [VALID]],
    ['null', null],
  ])('refuses %s and creates nothing', async (_what, body) => {
    const before = await countSales();
    const payload = JSON.stringify(body);
    const answer = await app.server.inject({
      method: 'POST',
      url: '/api/v1/admin/products',
      headers: { ...AS_OPERATOR, 'content-type': 'application/json' },
      payload,
    });
    expect(answer).toBeProblem('invalid_request');
    expect(answer.json()).toHaveProperty('detail');
    expect(await countSales()).toBe(before);
  });

  it('refuses numbers that are valid JSON but too large', async () => {
    const payload = JSON.stringify(VALID).replace('"stock":100', '"stock":1e400');
    const headers = { ...AS_OPERATOR, 'content-type': 'application/json' };
    expect(await app.server.inject({ method: 'POST', url: '/api/v1/admin/products', headers, payload })).toBeProblem(
      'invalid_request',
    );
  });
});

describe('who is an operator', () => {
  it.each<[string, Record<string, string>]>([
    ['a bearer', { authorization: `Bearer ${OPERATOR_TOKEN}` }],
    ['a bearer in small letters', { authorization: `bearer ${OPERATOR_TOKEN}` }],
    ['the password of basic auth', basic(OPERATOR_TOKEN)],
    ['the password of basic auth without a name', basic(OPERATOR_TOKEN, '')],
  ])('takes the operator token as %s', async (_how, headers) => {
    expect((await create(VALID, headers)).statusCode).toBe(201);
  });

  it.each<[string, Record<string, string>]>([
    ['nothing', {}],
    ['an empty header', { authorization: '' }],
    ['a wrong bearer', { authorization: 'Bearer wrong' }],
    ['a bearer of no text', { authorization: 'Bearer ' }],
    ['a prefix of the token', { authorization: `Bearer ${OPERATOR_TOKEN.slice(0, -1)}` }],
    ['the token and more', { authorization: `Bearer ${OPERATOR_TOKEN}x` }],
    ['the token in another case', { authorization: `Bearer ${OPERATOR_TOKEN.toUpperCase()}` }],
    ['the token without a scheme', { authorization: OPERATOR_TOKEN }],
    ['another scheme', { authorization: `Digest ${OPERATOR_TOKEN}` }],
    ['a wrong password', basic('wrong')],
    ['the token as user name', basic('', OPERATOR_TOKEN)],
    ['basic auth without a colon', { authorization: `Basic ${Buffer.from(OPERATOR_TOKEN).toString('base64')}` }],
    ['basic auth that is no base64', { authorization: 'Basic \u00a1\u00a1' }],
  ])('refuses %s, before it looks at the body, and creates nothing', async (_what, headers) => {
    const before = await countSales();
    for (const body of [VALID, { not: 'valid' }]) {
      const answer = await create(body, headers);
      expect(answer).toBeProblem('unauthenticated');
      expect(answer.headers['www-authenticate']).toMatch(/^Basic /);
      expect(answer.body).not.toContain(OPERATOR_TOKEN);
    }
    expect(await countSales()).toBe(before);
  });

  it('refuses every call if no operator token is set', async () => {
    const closed = await openApp(context, { ADMIN_TOKEN: '' });
    try {
      for (const authorization of ['Bearer ', 'Bearer undefined', 'Basic Og==', `Bearer ${OPERATOR_TOKEN}`]) {
        expect(await closed.post('/api/v1/admin/products', VALID, { authorization })).toBeProblem('unauthenticated');
      }
    } finally {
      await closed.close();
    }
  });
});

describe('POST /api/v1/admin/products/:id/pause and …/resume', () => {
  const act = (id: number | string, action: string, headers: Record<string, string> = AS_OPERATOR) =>
    app.post(`/api/v1/admin/products/${id}/${action}`, undefined, headers);

  it('stops a sale and continues it; a repeat changes nothing', async () => {
    const sale = await context.openSale();
    const token = await app.tokenOf(sale, 'patient');
    for (let i = 0; i < 2; i += 1) {
      const paused = await act(sale.id, 'pause');
      expect(paused.statusCode).toBe(200);
      expect(paused.json()).toMatchObject({ id: sale.id, status: 'paused' });
      expect(await app.buy(sale, 'patient', token)).toBeProblem('paused');
    }
    for (let i = 0; i < 2; i += 1) expect((await act(sale.id, 'resume')).json()).toMatchObject({ status: 'open' });
    expect((await app.buy(sale, 'patient', token)).statusCode).toBe(202);
  });

  it('issues seckill tokens while a sale is paused', async () => {
    const sale = await context.openSale();
    await act(sale.id, 'pause');
    expect(await app.tokenOf(sale, 'early')).toBeTypeOf('string');
  });

  it('creates no key for a sale that Redis does not keep any more, since nothing would delete it', async () => {
    const sale = await context.insertSale();
    await context.db.updateTable('products').set({ cleaned_at: new Date() }).where('id', '=', sale.id).execute();
    expect((await act(sale.id, 'pause')).statusCode).toBe(200);
    expect(await context.redis.exists(context.keys.sale(sale).pause)).toBe(0);
  });

  it('answers 404 for a sale that does not exist', async () => {
    expect(await act(999_999, 'pause')).toBeProblem('not_found');
    expect(await act(999_999, 'resume')).toBeProblem('not_found');
  });

  it('is for operators only', async () => {
    const sale = await context.openSale();
    expect(await act(sale.id, 'pause', {})).toBeProblem('unauthenticated');
    expect((await app.get(`/api/v1/products/${sale.id}`)).json()).toMatchObject({ status: 'open' });
  });

  it('refuses an id that is no number', async () => {
    expect(await act('abc', 'pause')).toBeProblem('invalid_request');
  });
});
