import { describe, expect, it } from 'vitest';
import { cancelOrder } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { takeLease } from '@flash-sale/shared/testing/buying.ts';
import { ledgerOf } from '@flash-sale/shared/testing/ordering.ts';
import { openTestApp } from '../../testing/support.ts';
import { batchNoOf } from '@flash-sale/shared/order/order-number.ts';
import { settledLineOf } from '@flash-sale/shared/order/settled-record.ts';
import { paymentProviders } from '@flash-sale/shared/payment/provider.ts';
import { StubProvider, cancel, newOrder, orderIn, poll } from './orders-in.ts';

const provider = new StubProvider();
const { context, app } = await openTestApp({ CURRENCY: 'EUR' }, { providers: paymentProviders(provider) });

describe('POST /api/v1/orders/:orderNo/cancel', () => {
  it('returns the order after the cancel, and so does every later poll', async () => {
    const order = await newOrder(context);
    const answer = await cancel(app, order);
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({
      order_no: order.orderNo,
      status: 'cancelled',
      closed_at: expect.stringMatching(/Z$/),
    });
    expect(await poll(app, order)).toEqual(answer.json());
    expect(await ledgerOf(context, order)).toMatchObject({ sold: 0, returned: true, history: [{ actor: 'shopper' }] });
  });

  it('repeated after a lost answer is a success, and changes nothing more (promise 8)', async () => {
    const order = await newOrder(context);
    const first = await cancel(app, order);
    const before = await ledgerOf(context, order);
    const again = await cancel(app, order);
    expect([again.statusCode, again.json()]).toEqual([200, first.json()]);
    expect(await ledgerOf(context, order)).toEqual(before);
    expect(await cancel(app, order, { user_id: 'mallory' })).toBeProblem('not_found');
  });

  it('is refused for an order that another actor has cancelled', async () => {
    const order = await newOrder(context);
    await cancelOrder(context, order, { actor: 'operator' });
    expect((await cancel(app, order)).json()).toMatchObject({
      code: 'invalid_state',
      detail: 'The order is cancelled',
    });
  });

  it.each(['paid', 'refunded', 'expired'] as const)('is refused for an order that is %s', async (status) => {
    const order = await orderIn(context, status);
    const before = await ledgerOf(context, order);
    const answer = await cancel(app, order);
    expect(answer).toBeProblem('invalid_state');
    expect(answer.json()).toMatchObject({ detail: `The order is ${status}` });
    expect(await ledgerOf(context, order)).toEqual(before);
  });

  it('is refused for an order that is still queued', async () => {
    const orderNo = await app.win(await context.openSale(), 'alice');
    const answer = await cancel(app, { orderNo });
    expect(answer).toBeProblem('invalid_state');
    expect(answer.json()).toMatchObject({ detail: 'The order is queued' });
  });

  it('in parallel cancels once, and is a success for each caller', async () => {
    const order = await newOrder(context);
    const answers = await Promise.all(Array.from({ length: 6 }, () => cancel(app, order)));
    expect(answers.map(({ statusCode }) => statusCode)).toEqual(Array(6).fill(200));
    expect(await ledgerOf(context, order)).toMatchObject({ version: 2, sold: 0, history: { length: 1 } });
  });
});

describe('a poll is never behind the ledger', () => {
  it.each(['paid', 'refunded', 'cancelled', 'expired'] as const)('right after an order is %s', async (status) => {
    const order = await orderIn(context, status);
    expect(await poll(app, order)).toMatchObject({ status });
  });

  it('if a worker settles the older status after the move', async () => {
    const order = await newOrder(context);
    await cancel(app, order);
    const sale = { id: order.productId, shard: 0 };
    const lease = await takeLease(context, sale);
    const settlement = {
      batchNo: batchNoOf(order.orderNo),
      facts: `${order.createdAtMs} ${order.priceCents}`,
      settled: [settledLineOf(order, order.createdAtMs)],
      stuck: [],
    };
    expect(await context.commands.settle(sale, lease, 600_000, [settlement])).toBe(true);
    expect(await poll(app, order)).toMatchObject({ status: 'cancelled' });
  });

  it('if the worker crashed before it could settle the batch', async () => {
    const order = await newOrder(context);
    const { state, batches } = context.keys.sale({ id: order.productId, shard: 0 });
    const record = `${Date.now()} ${order.priceCents} 1\n${order.orderNo} alice r`;
    await context.redis.hset(batches, batchNoOf(order.orderNo), record);
    await context.redis.hset(state, { taken_until_ms: 0 });
    expect(await poll(app, order)).toMatchObject({ status: 'queued' });
    await context.redis.hset(state, { taken_until_ms: Date.now() });
    expect(await poll(app, order)).toMatchObject({ status: 'pending_payment' });
    await context.redis.hset(state, { taken_until_ms: 0 });
    await cancelOrder(context, order, { actor: 'shopper' });
    expect(await poll(app, order)).toMatchObject({ status: 'cancelled' });
  });
});
