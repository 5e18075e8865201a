import { describe, expect, it } from 'vitest';
import { listActions } from '../../src/operator/operator-actions-table.ts';
import { applyPaymentEvent } from '@flash-sale/shared/order-moves/apply-payment-event.ts';
import { openPayment, placeOrder } from '@flash-sale/shared/testing/ordering.ts';
import { AS_OPERATOR, AS_VIEWER, openApp, openTestApp, settleOrder, VIEWER_TOKEN } from '../../testing/support.ts';
import { WRONG, basic, pause, statsOf } from './operator-calls.ts';

const NAMES = [
  'lin',
  'Jürgen',
  'Jürgen:x',
  '张伟',
  '李娜',
  '山田　太郎',
  'نرم\u200cافزار',
  '🚒 on call',
  'a%20b',
  'ú'.repeat(64),
  '🚒'.repeat(64),
];

const { context, app } = await openTestApp({ VIEWER_TOKEN });

const SALE = {
  name: 'Lamp',
  price: 19.99,
  stock: 100,
  seckill_stock: 5,
  start_time: '2026-01-01T00:00:00.000Z',
  end_time: '2099-12-31T23:59:59.999Z',
};
/** Everything that was recorded, newest first, without what no test can know. */
const recorded = async () =>
  (await listActions(context.db, { limit: 100 })).map(({ id: _id, createdAt: _time, ...action }) => action);

describe('a viewer', () => {
  it('reads what operators read', async () => {
    const sale = await context.openSale();
    expect((await statsOf(app, sale.id, AS_VIEWER)).statusCode).toBe(200);
    expect((await app.get('/api/v1/admin/actions', AS_VIEWER)).statusCode).toBe(200);
    const orderNo = await app.win(sale, 'seen');
    expect((await app.get(`/api/v1/admin/orders/${orderNo}`, AS_VIEWER)).statusCode).toBe(200);
  });

  it('is forbidden every call that changes something; such a call changes nothing and is not recorded', async () => {
    const sale = await context.openSale();
    const orderNo = await app.win(sale, 'safe');
    await settleOrder(context, sale, orderNo);
    const before = await recorded();
    for (const [path, body] of [
      ['products', SALE],
      [`products/${sale.id}/pause`, undefined],
      [`products/${sale.id}/resume`, undefined],
      [`orders/${orderNo}/refund`, undefined],
    ] as const) {
      expect(await app.post(`/api/v1/admin/${path}`, body, AS_VIEWER)).toBeProblem('forbidden');
    }
    expect((await app.get(`/api/v1/products/${sale.id}`)).json()).toMatchObject({ status: 'open' });
    expect(await recorded()).toEqual(before);
  });
});

describe('what operators change is recorded: who, what and when', () => {
  it('as one row for each change, in the transaction of the change, with the name from basic auth', async () => {
    const before = Date.now();
    const name = { authorization: `Basic ${Buffer.from('lin:the-operators-own-token').toString('base64')}` };
    const { id } = (await app.post('/api/v1/admin/products', SALE, name)).json<{ id: number }>();
    await pause(app, id, name);
    await app.post(`/api/v1/admin/products/${id}/resume`, undefined, AS_OPERATOR);
    const actions = (await app.get('/api/v1/admin/actions?limit=3', AS_OPERATOR)).json<{
      items: { id: number; time: string }[];
      next_cursor: string;
    }>();
    expect(actions.items.map(({ id: _id, time: _time, ...action }) => action)).toEqual([
      { operator: 'admin', role: 'admin', action: 'resume', subject: `product ${id}`, detail: {} },
      { operator: 'lin', role: 'admin', action: 'pause', subject: `product ${id}`, detail: {} },
      { operator: 'lin', role: 'admin', action: 'create', subject: `product ${id}`, detail: SALE },
    ]);
    for (const { time } of actions.items) {
      expect(Date.parse(time)).toBeGreaterThanOrEqual(before - 1_000);
      expect(Date.parse(time)).toBeLessThanOrEqual(Date.now() + 1_000);
    }
    const [resumed, paused] = actions.items;
    const earlier = await app.get(`/api/v1/admin/actions?limit=1&cursor=${resumed!.id}`, AS_OPERATOR);
    expect(earlier.json()).toEqual({ items: [paused], next_cursor: String(paused!.id) });
  });

  it('refunds too, but no refused calls', async () => {
    const order = await placeOrder(context, await context.openSale());
    const refund = (headers: Record<string, string>) =>
      app.post(`/api/v1/admin/orders/${order.orderNo}/refund`, undefined, headers);
    const before = await recorded();
    expect(await refund(WRONG)).toBeProblem('unauthenticated');
    expect(await refund(AS_OPERATOR)).toBeProblem('invalid_state');
    expect(await pause(app, 999_999, AS_OPERATOR)).toBeProblem('not_found');
    expect(await app.post('/api/v1/admin/products', { ...SALE, price: 0 }, AS_OPERATOR)).toBeProblem('invalid_request');
    expect(await recorded()).toEqual(before);
    const paymentId = await openPayment(context, order.orderNo);
    await applyPaymentEvent(context, 'sandbox', { eventId: 'paid', paymentId, kind: 'succeeded' });
    expect((await refund(AS_OPERATOR)).statusCode).toBe(202);
    expect((await recorded())[0]).toMatchObject({ action: 'refund', subject: `order ${order.orderNo}` });
  });

  it.each(NAMES)('with the name %s unchanged, from basic auth and from the header', async (name) => {
    const sale = await context.openSale();
    for (const headers of [
      ...(name.includes(':') ? [] : [basic(name)]),
      { ...AS_OPERATOR, 'operator-name': encodeURIComponent(name) },
      { ...basic(''), 'operator-name': encodeURIComponent(name) },
      { ...basic('somebody-else'), 'operator-name': encodeURIComponent(name) },
    ]) {
      expect((await pause(app, sale.id, headers)).statusCode).toBe(200);
      expect((await recorded())[0]).toMatchObject({ action: 'pause', operator: name });
      const listed = (await app.get('/api/v1/admin/actions?limit=1', AS_VIEWER)).json<{ items: unknown[] }>();
      expect(listed.items).toMatchObject([{ operator: name }]);
    }
  });

  it('with the role if no name was given', async () => {
    const sale = await context.openSale();
    for (const headers of [AS_OPERATOR, basic('')]) {
      expect((await pause(app, sale.id, headers)).statusCode).toBe(200);
      expect((await recorded())[0]).toMatchObject({ action: 'pause', operator: 'admin' });
    }
  });

  it.each<[string, Record<string, string>]>([
    ['of controls', basic('\u0000\u001b[31mlin')],
    ['of a direction override', basic('lin\u202enil')],
    ['of two lines', basic('lin\u2028nil')],
    ['of a surrogate alone', { ...AS_OPERATOR, 'operator-name': '%ED%A0%80' }],
    ['with a space at its end', basic('lin ')],
    ['of a space', basic(' ')],
    ['that is too long', basic('ú'.repeat(65))],
    ['that is much too long', basic('x'.repeat(300))],
    [
      'that is no UTF-8',
      { authorization: `Basic ${Buffer.from('J\u00fcrgen:the-operators-own-token', 'latin1').toString('base64')}` },
    ],
    ['that is empty', { ...AS_OPERATOR, 'operator-name': '' }],
    ['that is not percent-encoded', { ...AS_OPERATOR, 'operator-name': 'J\u00fcrgen' }],
    ['that is badly percent-encoded', { ...AS_OPERATOR, 'operator-name': '100%' }],
  ])('refuses a name %s, and changes and records nothing', async (_what, headers) => {
    const sale = await context.openSale();
    const before = await recorded();
    const answer = await pause(app, sale.id, headers);
    expect(answer).toBeProblem('invalid_request');
    expect(answer.json<{ detail: string }>().detail).toMatch(/^(An|The) operator name /);
    expect((await app.get(`/api/v1/products/${sale.id}`)).json()).toMatchObject({ status: 'open' });
    expect(await recorded()).toEqual(before);
  });
});

describe('an operator token', () => {
  it('may contain a colon, in basic auth and as a bearer token', async () => {
    const ADMIN_TOKEN = 'password:of-the-operators';
    const own = await openApp(context, { ADMIN_TOKEN });
    try {
      const sale = await context.openSale();
      for (const headers of [basic('lin', ADMIN_TOKEN), { authorization: `bearer  ${ADMIN_TOKEN}` }]) {
        expect((await statsOf(own, sale.id, headers)).statusCode).toBe(200);
      }
      expect(await statsOf(own, sale.id, { authorization: 'Bearer password:' })).toBeProblem('unauthenticated');
    } finally {
      await own.close();
    }
  });

  it('is not accepted with anything after it', async () => {
    const sale = await context.openSale();
    const authorization = `${AS_OPERATOR.authorization} junk`;
    expect(await statsOf(app, sale.id, { authorization })).toBeProblem('unauthenticated');
  });
});

describe('a page of another site that has an operator’s browser call (CSRF)', () => {
  it.each<[string, Record<string, string>]>([
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['another origin of the site', { 'sec-fetch-site': 'same-site' }],
    ['an origin, if the connection is not secure', { origin: 'http://evil.test' }],
    ['an origin that is hidden', { origin: 'null' }],
  ])('changes nothing: %s', async (_from, headers) => {
    const sale = await context.openSale();
    expect(await pause(app, sale.id, { ...AS_OPERATOR, ...headers })).toBeProblem('forbidden');
    expect((await app.get(`/api/v1/products/${sale.id}`)).json()).toMatchObject({ status: 'open' });
  });

  it.each<[string, Record<string, string>]>([
    ['a page of ours', { 'sec-fetch-site': 'same-origin' }],
    ['a page of ours, if the connection is not secure', { origin: 'http://shop.test', host: 'shop.test' }],
    ['the operator by hand', { 'sec-fetch-site': 'none' }],
    ['no browser', {}],
  ])('is told from %s', async (_from, headers) => {
    const sale = await context.openSale();
    expect((await pause(app, sale.id, { ...AS_OPERATOR, ...headers })).statusCode).toBe(200);
  });
});
