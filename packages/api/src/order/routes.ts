import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { priceOfCents } from '@flash-sale/shared/platform/money.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import { orderFacts } from '@flash-sale/shared/order/order-facts.ts';
import { findOrder, listOrdersOfUser } from '@flash-sale/shared/order/orders-table.ts';
import { isDuplicate } from '@flash-sale/shared/platform/mysql/errors.ts';
import { ledgerTime } from '@flash-sale/shared/platform/mysql/clock.ts';
import {
  findOpenPayment,
  findPaymentThatPaid,
  insertPayment,
  movePayments,
  updateStartedPayment,
} from '@flash-sale/shared/payment/payments-table.ts';
import { renewKey } from '@flash-sale/shared/payment/payment-calls-table.ts';
import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import { newPaymentId, type Payment } from '@flash-sale/shared/payment/payment.ts';
import { cancelOrder } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { ProviderFault, type SandboxBehaviour } from '@flash-sale/shared/payment/provider.ts';
import type { FastifyRequest } from 'fastify';
import type { AppDeps } from '../deps.ts';
import type { ChargeLedger } from '../limits/ledger-limit.ts';
import type { OrderReader } from './order-reader.ts';
import type { OrderWaiters } from './order-waiters.ts';
import { isoOf, LIMIT_DEFAULT, nextCursor, SHOPPER_BODY_BYTES_MAX } from '../fields.ts';
import { CancelOrder, GetOrder, ListOrders, PayOrder } from './schema.ts';

type Deps = Pick<AppDeps, 'config' | 'db' | 'saleTransactions' | 'providers'> & {
  readonly orders: OrderReader;
  readonly orderWaiters: OrderWaiters;
  readonly chargeLedger: ChargeLedger;
};

/** A shopper's orders. */
export const orderRoutes: FastifyPluginAsyncTypebox<Deps> = async (app, deps) => {
  const { config, db, providers, orders, orderWaiters, chargeLedger } = deps;

  app.get('/api/v1/orders/:orderNo', { schema: GetOrder, ...app.limitMisses }, async (request, reply) => {
    const { orderNo } = request.params;
    const { wait = 0, user_id: userId } = request.query;
    const shopper = await app.shopperIfKnown(request, userId);
    const sale = await orders.saleOf(orderNo);
    if (sale === undefined) return reply.refuse('not_found');
    // In trusted mode a caller who names no shopper has a bucket for each order.
    const beforeLedger = (): void => chargeLedger(shopper ?? orderNo);

    let order: Order | undefined;
    if (wait === 0) {
      order = await orders.read(sale, orderNo, { beforeLedger });
    } else {
      order = await orderWaiters.readUntilSettled(sale, orderNo, {
        waitMs: wait * 1_000,
        gone: request.signal,
        read: ({ isFirst }) => orders.read(sale, orderNo, { waitsOn: isFirst, beforeLedger }),
      });
    }
    // For another shopper's order the answer is the same as for one that does not exist.
    if (order === undefined || (shopper !== undefined && order.userId !== shopper)) return reply.refuse('not_found');
    if (order.status === 'queued') reply.header('retry-after', '1');
    return orderView(order);
  });

  app.get('/api/v1/orders', { schema: ListOrders }, async (request) => {
    const { limit = LIMIT_DEFAULT, cursor, user_id: userId } = request.query;
    const shopper = await app.shopper(request, userId);
    chargeLedger(shopper);
    const mine = await listOrdersOfUser(db, shopper, limit, cursor);
    return { items: mine.map(orderView), next_cursor: nextCursor(mine, limit, ({ orderNo }) => orderNo) };
  });

  /**
   * The caller's own order, for a call that may change it in the ledger. `body` may be missing if
   * the access token identifies the caller.
   */
  async function ownOrder(request: FastifyRequest, orderNo: string, claimed: string | undefined): Promise<Order> {
    const shopper = await app.shopper(request, claimed);
    chargeLedger(shopper);
    const sale = await orders.saleOf(orderNo);
    const order = sale && (await orders.read(sale, orderNo));
    if (order === undefined || order.userId !== shopper) throw new Refusal('not_found');
    return order;
  }

  const bodyMayBeMissing = {
    ...app.limitMisses,
    bodyLimit: SHOPPER_BODY_BYTES_MAX,
    preValidation: async (request: FastifyRequest): Promise<void> => {
      // Only if it is missing: `null` is a body, and not a valid one.
      if (request.body === undefined) request.body = {};
    },
  };

  app.post('/api/v1/orders/:orderNo/pay', { schema: PayOrder, ...bodyMayBeMissing }, async (request) => {
    const { user_id: userId, sandbox } = request.body;
    const order = await ownOrder(request, request.params.orderNo, userId);
    const standing = await payablePayment(order);
    const payment = 'paid' in standing ? standing : await started(request, standing, sandbox);
    const { paymentId, amountCents, currency } = payment;
    const facts = { payment_id: paymentId, provider: payment.provider, amount: priceOfCents(amountCents), currency };
    if ('paid' in payment) return { ...facts, next: { action: 'none' as const } };
    return {
      ...facts,
      next: { action: 'redirect' as const, url: payment.url },
      ...(order.expiresAtMs === undefined ? {} : { expires_at: isoOf(order.expiresAtMs) }),
    };
  });

  app.post('/api/v1/orders/:orderNo/cancel', { schema: CancelOrder, ...bodyMayBeMissing }, async (request) => {
    const order = await ownOrder(request, request.params.orderNo, request.body.user_id);
    const cancelled = await cancelOrder(deps, order, { actor: 'shopper' });
    request.log.info({ order_no: order.orderNo }, 'order cancelled');
    return orderView(cancelled);
  });

  /** The payment after its provider has started it, with the page where the shopper pays. */
  async function started(
    request: FastifyRequest,
    payment: Payment,
    behaviour: SandboxBehaviour | undefined,
  ): Promise<StartedPayment | PaidPayment> {
    const { paymentId, orderNo } = payment;
    if (payment.url !== null) return { ...payment, url: payment.url };
    const { providerRef, url } = await providers
      .of(payment.provider)!
      .start(payment, behaviour)
      .catch(async (error: unknown) => {
        // Shoppers must not see a provider's own errors. If the provider repeats the error for a
        // day, use another key next time.
        if (error instanceof ProviderFault && error.mayBeKept) await renewKey(db, payment);
        throw new Refusal('unavailable', { cause: error });
      });
    request.log.info({ order_no: orderNo, payment_id: paymentId }, 'payment started');
    const standing = await updateStartedPayment(db, paymentId, providerRef, url);
    if (standing !== undefined) return { ...payment, url: standing };
    // The order was paid before the provider's answer arrived; or it is closed, and a worker
    // expires the payment.
    return paidPayment(orderNo);
  }

  async function notToBePaid(orderNo: string): Promise<Refusal> {
    const [order, now] = await Promise.all([findOrder(db, orderNo), ledgerTime(db)]);
    return new Refusal('invalid_state', { detail: whyNotPaid(order, now.getTime()) });
  }

  /**
   * The order's open payment, created if there is none; or the payment that paid the order, for a
   * caller who has missed that.
   */
  async function payablePayment(order: Order): Promise<Payment | PaidPayment> {
    if (order.status !== 'pending_payment') return paidPayment(order.orderNo);
    const standing = await findOpenPayment(db, order.orderNo);
    const { name } = providers.current;
    if (standing?.provider === name) return standing;
    const paid = standing === undefined ? await findPaymentThatPaid(db, order.orderNo) : undefined;
    if (paid !== undefined) return { ...paid, paid: true };
    // The provider was changed since the seckill token was issued. A call to it would fail each
    // time.
    if (order.priceCents * order.quantity < providers.current.minimumCents(config.CURRENCY)) {
      throw new Refusal('invalid_state', { detail: 'The total is below the minimum of the payment provider' });
    }
    if (standing !== undefined) await endElsewhere(standing);
    const payment = { paymentId: newPaymentId(Date.now()), provider: name, currency: config.CURRENCY };
    await insertPayment(db, order.orderNo, payment).catch((error: unknown) => {
      // Another call was faster: there is an open payment now.
      if (!isDuplicate(error)) throw error;
    });
    const open = await findOpenPayment(db, order.orderNo);
    return open ?? paidPayment(order.orderNo);
  }

  /**
   * Ends a payment at the provider that the service used before, so that the shopper can pay in one
   * place only.
   *
   * @throws Refusal `unavailable` if that provider cannot be asked, or the payment is not ended: a
   * worker finds out what became of it
   */
  async function endElsewhere(payment: Payment): Promise<void> {
    const answer = await providers
      .of(payment.provider)
      ?.expire(payment)
      .catch((error: unknown) => {
        throw new Refusal('unavailable', { cause: error });
      });
    if (answer?.now !== 'declined') throw new Refusal('unavailable');
    await movePayments(db, [payment.paymentId], 'started', 'declined');
  }

  /** @throws Refusal `invalid_state` if the order is not paid */
  async function paidPayment(orderNo: string): Promise<PaidPayment> {
    const paid = await findPaymentThatPaid(db, orderNo);
    if (paid === undefined) throw await notToBePaid(orderNo);
    return { ...paid, paid: true };
  }
};

/** The reason why an order without an open payment cannot be paid. */
function whyNotPaid(order: Order | undefined, nowMs: number): string {
  const { status = 'queued', expiresAtMs } = order ?? {};
  const isPending = status === 'pending_payment';
  if (expiresAtMs !== undefined && (status === 'expired' || (isPending && expiresAtMs <= nowMs)))
    return `The time to pay ended at ${isoOf(expiresAtMs)}`;
  return isPending ? 'The payment was declined. You can start another one' : `The order is ${status}`;
}

type PaidPayment = Payment & { readonly paid: true };
type StartedPayment = Payment & { readonly url: string };

/** An order in the form of the API. */
export function orderView(order: Order) {
  const { expiresAtMs, paidAtMs, closedAtMs, reason } = order;
  return {
    ...orderFacts(order, order.status),
    ...(expiresAtMs === undefined ? {} : { expires_at: isoOf(expiresAtMs) }),
    ...(paidAtMs === undefined ? {} : { paid_at: isoOf(paidAtMs) }),
    ...(closedAtMs === undefined ? {} : { closed_at: isoOf(closedAtMs) }),
    ...(reason === undefined ? {} : { reason }),
  };
}
