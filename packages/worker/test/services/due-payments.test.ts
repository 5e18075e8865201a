import { codeOfRedisError } from '@flash-sale/shared/platform/redis/errors.ts';
import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import { findOpenPayment, findPaymentThatPaid } from '@flash-sale/shared/payment/payments-table.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import type { PaymentEvent } from '@flash-sale/shared/payment/payment.ts';
import { applyPaymentEvent } from '@flash-sale/shared/order-moves/apply-payment-event.ts';
import { cancelOrder } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { SaleTransactions } from '@flash-sale/shared/order-moves/sale-transactions.ts';
import { connectRedis } from '@flash-sale/shared/platform/redis/client.ts';
import { createCommands } from '@flash-sale/shared/commands.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { ledgerOf, openPayment, placeOrder } from '@flash-sale/shared/testing/ordering.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { duePayments } from '../../src/services/due-payments.ts';
import { expiry } from '../../src/services/expiry.ts';
import { startPrivateRedis, type PrivateRedis } from '@flash-sale/shared/testing/private-redis.ts';

const NOWHERE = '127.0.0.1:1';
const GOING_ON = new AbortController().signal;
/** A provider gives up on a webhook after seconds. */
const WEBHOOK_MS_MAX = 3_000;

async function openContext(env: Readonly<Record<string, string>> = {}): Promise<TestContext> {
  const context = await openTestContext(env);
  context.redis.on('error', () => undefined);
  onTestFinished(() => context.close());
  return context;
}

/**
 * The transactions of an api process, on a Redis connection like its own: to the context's Redis,
 * or to an address without one.
 */
async function openApi(context: TestContext, REDIS_ADDR = context.config.REDIS_ADDR) {
  const redis = connectRedis({ ...context.config, REDIS_ADDR }, 'request').on('error', () => undefined);
  onTestFinished(() => redis.disconnect());
  if (REDIS_ADDR !== NOWHERE) await once(redis, 'ready');
  const { db, log, keys } = context;
  const commands = createCommands(redis, keys);
  const saleTransactions = new SaleTransactions({ db, commands, log, orderEvents: true });
  let events = 0;
  return {
    saleTransactions,
    tell: (paymentId: string, kind: PaymentEvent['kind'], eventId = `${kind} ${paymentId} ${(events += 1)}`) =>
      applyPaymentEvent({ db, saleTransactions }, 'sandbox', { eventId, paymentId, kind }),
  };
}
const cutOff = (context: TestContext) => openApi(context, NOWHERE);

function openWorker(context: TestContext, saleTransactions = context.saleTransactions) {
  const { db, log } = context;
  const metrics = createMetrics('worker');
  return {
    expire: () => expiry({ db, saleTransactions, log, metrics }).round(GOING_ON),
    pay: () => duePayments({ db, saleTransactions, log, metrics }).round(GOING_ON),
    paid: async () => (await metrics.duePayments.get()).values[0]!.value,
  };
}

async function payingOrder(context: TestContext): Promise<{ order: Order; payment_id: string }> {
  const order = await placeOrder(context, await context.openSale());
  return { order, payment_id: await openPayment(context, order.orderNo) };
}
const endTimeToPay = ({ db }: TestContext, { orderNo }: Order) =>
  db
    .updateTable('orders')
    .set({ expires_at: new Date(Date.now() - 60_000) })
    .where('order_no', '=', orderNo)
    .execute();

describe('money that arrives in time while Redis is away', () => {
  test.each([
    ['killed', (redis: PrivateRedis) => redis.kill(), (redis: PrivateRedis) => redis.restart()],
    ['hanging', async (redis: PrivateRedis) => redis.freeze(), async (redis: PrivateRedis) => redis.thaw()],
  ])(
    'is taken at once, and its order never expires, and is paid when Redis is back: %s',
    { timeout: 60_000 },
    async (_, takeAway, bringBack) => {
      const redis = await startPrivateRedis();
      const context = await openContext(redis.env);
      const api = await openApi(context);
      const worker = openWorker(context, api.saleTransactions);
      const { order, payment_id: paymentId } = await payingOrder(context);

      await takeAway(redis);
      const toldMs = performance.now();
      expect(await api.tell(paymentId, 'succeeded', 'evt_1')).toBe(true);
      expect(performance.now() - toldMs).toBeLessThan(WEBHOOK_MS_MAX);
      await endTimeToPay(context, order);
      // The round fails, so that another process may lead: it may be this one alone that does not
      // reach Redis.
      await expect(worker.pay()).rejects.toSatisfy((error) => codeOfRedisError(error) !== undefined);
      await worker.expire();
      expect(await ledgerOf(context, order)).toMatchObject({ status: 'pending_payment', payments: ['succeeded'] });

      await bringBack(redis);
      await worker.expire();
      const paidSoon = async () => {
        await worker.expire();
        await worker.pay().catch(() => undefined);
        return (await ledgerOf(context, order)).status;
      };
      await expect.poll(paidSoon, { timeout: 20_000 }).toBe('paid');
      expect(await ledgerOf(context, order)).toMatchObject({
        payments: ['succeeded'],
        version: 2,
        sold: 1,
        returned: false,
        history: [{ fromStatus: 'pending_payment', toStatus: 'paid', actor: 'payment:sandbox', reason: paymentId }],
      });
      expect(await worker.paid()).toBe(1);
      // The provider did not hear the answer.
      expect(await api.tell(paymentId, 'succeeded', 'evt_1')).toBe(false);
    },
  );

  test('never shows an earlier status again: polls that reach Redis always return the ledger’s status (promise 5)', async () => {
    const context = await openContext();
    const { order, payment_id: paymentId } = await payingOrder(context);
    const sale = { id: order.productId, shard: 0 };
    const seen = async () => {
      const { settled } = await context.commands.readOrder(sale, order.orderNo);
      const ledger = (await ledgerOf(context, order)).status;
      return [settled === undefined ? 'as the ledger' : settled.status, ledger];
    };
    expect(await (await cutOff(context)).tell(paymentId, 'succeeded')).toBe(true);
    expect(await seen()).toEqual(['pending_payment', 'pending_payment']);
    await openWorker(context).pay();
    expect(await seen()).toEqual(['as the ledger', 'paid']);
  });

  test('causes an event after the order is paid', async () => {
    const context = await openContext();
    const { payment_id: paymentId } = await payingOrder(context);
    await (await cutOff(context)).tell(paymentId, 'succeeded');
    const events = () => context.db.selectFrom('order_events').select('status').execute();
    expect(await events()).toEqual([]);
    await openWorker(context, (await openApi(context)).saleTransactions).pay();
    expect(await events()).toEqual([{ status: 'paid' }]);
  });

  test('protects its order from a cancel and from a second payment', async () => {
    const context = await openContext();
    const { order, payment_id: paymentId } = await payingOrder(context);
    await (await cutOff(context)).tell(paymentId, 'succeeded');
    await expect(cancelOrder(context, order, { actor: 'shopper' })).rejects.toMatchObject({
      code: 'invalid_state',
      detail: 'The payment of the order has arrived',
    });
    expect(await findPaymentThatPaid(context.db, order.orderNo)).toMatchObject({ paymentId });
    await openPayment(context, order.orderNo);
    expect(await findOpenPayment(context.db, order.orderNo)).toBeUndefined();
  });

  test('is refunded if it is the second payment of the order, in any order of their arrival', async () => {
    const context = await openContext();
    const away = await cutOff(context);
    const { order, payment_id: first } = await payingOrder(context);
    await away.tell(first, 'declined');
    const second = await openPayment(context, order.orderNo);
    await away.tell(second, 'succeeded');
    await away.tell(first, 'succeeded');
    await openWorker(context).pay();
    const paid = await ledgerOf(context, order);
    expect(paid).toMatchObject({ status: 'paid', version: 2, history: [{ reason: second }] });
    expect(paid.payments.toSorted()).toEqual(['refund_pending', 'succeeded']);

    const { order: other, payment_id: early } = await payingOrder(context);
    await away.tell(early, 'declined');
    const late = await openPayment(context, other.orderNo);
    await away.tell(early, 'succeeded');
    await (await openApi(context)).tell(late, 'succeeded');
    await openWorker(context).pay();
    const after = await ledgerOf(context, other);
    expect(after).toMatchObject({ status: 'paid', version: 2 });
    expect(after.payments.toSorted()).toEqual(['refund_pending', 'succeeded']);
  });

  test('is refunded if its order was closed before', async () => {
    const context = await openContext();
    const { order, payment_id: paymentId } = await payingOrder(context);
    await cancelOrder(context, order, { actor: 'shopper' });
    expect(await (await cutOff(context)).tell(paymentId, 'succeeded')).toBe(true);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'cancelled', payments: ['refund_pending'] });
  });

  test('does not pay the order after its provider has refunded it: the order can be paid again or expires', async () => {
    const context = await openContext();
    const { order, payment_id: paymentId } = await payingOrder(context);
    const away = await cutOff(context);
    await away.tell(paymentId, 'succeeded');
    expect(await away.tell(paymentId, 'refunded')).toBe(true);
    await endTimeToPay(context, order);
    const worker = openWorker(context);
    await worker.pay();
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'pending_payment', payments: ['refunded'] });
    await worker.expire();
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'expired' });
  });

  test('is refunded by a repeated event, since that closes its order, for which Redis is needed', async () => {
    const context = await openContext();
    const { order, payment_id: paymentId } = await payingOrder(context);
    const [away, here] = [await cutOff(context), await openApi(context)];
    await here.tell(paymentId, 'succeeded');
    await expect(away.tell(paymentId, 'refunded', 'evt_refund')).rejects.toMatchObject({ code: 'unavailable' });
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'paid', payments: ['succeeded'] });
    expect(await here.tell(paymentId, 'refunded', 'evt_refund')).toBe(true);
    expect(await ledgerOf(context, order)).toMatchObject({ status: 'refunded', payments: ['refunded'] });
  });

  test('of a sale whose Redis stays down does not delay the payment of other orders', async () => {
    const context = await openContext();
    const [stuck, free] = [await payingOrder(context), await payingOrder(context)];
    const away = await cutOff(context);
    await away.tell(stuck.payment_id, 'succeeded');
    await away.tell(free.payment_id, 'succeeded');
    class Half extends SaleTransactions {
      override run: SaleTransactions['run'] = (productId, ...rest) =>
        productId === stuck.order.productId
          ? Promise.reject(new Error('Redis is away'))
          : super.run(productId, ...rest);
    }
    const { db, commands, log } = context;
    await openWorker(context, new Half({ db, commands, log, orderEvents: false })).pay();
    expect((await ledgerOf(context, stuck.order)).status).toBe('pending_payment');
    expect((await ledgerOf(context, free.order)).status).toBe('paid');
  });
});
