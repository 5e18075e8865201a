import { describe, expect, it } from 'vitest';
import { openTestApp, settleOrder } from '../../testing/support.ts';

const { context, app } = await openTestApp();

describe('GET /api/v1/orders', () => {
  it('lists a shopper’s orders of the ledger, newest first, page by page', async () => {
    const placed: string[] = [];
    for (let i = 0; i < 3; i += 1) {
      const sale = await context.openSale();
      const orderNo = await app.win(sale, 'regular');
      await settleOrder(context, sale, orderNo);
      placed.unshift(orderNo);
      await settleOrder(context, sale, await app.win(sale, 'Regular'));
    }
    const newestFirst = placed.toSorted((a, b) => (a < b ? 1 : -1));
    const whole = (await app.get('/api/v1/orders?user_id=regular')).json<{ items: { order_no: string }[] }>();
    expect(whole).toMatchObject({ next_cursor: null });
    expect(whole.items.map(({ order_no: orderNo }) => orderNo)).toEqual(newestFirst);
    const first = (await app.get('/api/v1/orders?user_id=regular&limit=2')).json();
    expect(first).toEqual({ items: whole.items.slice(0, 2), next_cursor: newestFirst[1] });
    const second = await app.get(`/api/v1/orders?user_id=regular&limit=2&cursor=${newestFirst[1]}`);
    expect(second.json()).toEqual({ items: whole.items.slice(2), next_cursor: null });
  });

  it('shows each as the order itself is shown', async () => {
    const sale = await context.openSale();
    const orderNo = await app.win(sale, 'once');
    await settleOrder(context, sale, orderNo);
    const order = (await app.get(`/api/v1/orders/${orderNo}`)).json<object>();
    expect((await app.get('/api/v1/orders?user_id=once')).json()).toEqual({ items: [order], next_cursor: null });
  });

  it('is empty for a shopper without orders', async () => {
    expect((await app.get('/api/v1/orders?user_id=nobody')).json()).toEqual({ items: [], next_cursor: null });
  });

  it.each([
    '',
    'user_id=',
    'user_id=a%20b',
    'user_id=a&limit=0',
    'user_id=a&limit=101',
    'user_id=a&cursor=1',
    'user_id=a&x=1',
    'user_id=a&user_id=b',
  ])('refuses ?%s', async (query) => {
    expect(await app.get(`/api/v1/orders?${query}`)).toBeProblem('invalid_request');
  });
});
