import assert from 'node:assert/strict';
import { ownerEntryOf, unitsOf as unitsHeld, type Owner } from '@flash-sale/shared/sale/owner.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { canMove, type Order, type OrderStatus } from '@flash-sale/shared/order/order.ts';
import type { PaymentEvent, PaymentStatus } from '@flash-sale/shared/payment/payment.ts';
import { unappliedReturns } from '@flash-sale/shared/order/stock-returns-table.ts';
import { applyPaymentEvent } from '@flash-sale/shared/order-moves/apply-payment-event.ts';
import { cancelOrder, expireOrders } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { requestRefund } from '@flash-sale/shared/order-moves/request-refund.ts';
import { rebuildSale } from '@flash-sale/shared/reconciliation/rebuild.ts';
import { withStampedLease } from '@flash-sale/shared/sale/lease.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { newAttempt, send, unitsOf } from '@flash-sale/shared/testing/buying.ts';
import { openPayment } from '@flash-sale/shared/testing/ordering.ts';
import type { TestContext } from '@flash-sale/shared/testing/support.ts';
import { auditSale } from '@flash-sale/shared/reconciliation/audit.ts';
import { OrderWriter } from '../src/order-writer/order-writer.ts';
import { returns } from '../src/services/returns.ts';
import { settleOrdersOf } from './shoppers.ts';

export const USERS = ['a', 'b', 'c', 'd'];
export const UNITS = 4;
export const UNITS_PER_SHOPPER = 3;

/** One step of a run. `which` selects one of the earlier orders or payments. */
export type Step =
  | { readonly do: 'buy'; readonly user: string; readonly quantity: number }
  | { readonly do: 'pay' | 'cancel' | 'expire' | 'refund' | 'replay'; readonly which: number }
  | { readonly do: 'tell'; readonly which: number; readonly kind: PaymentEvent['kind'] }
  /**
   * `give_back`: the process crashes before it marks the returns. A run without `returns` crashed
   * before that.
   */
  | { readonly do: 'returns' | 'give_back' | 'rebuild' };

interface ModelOrder {
  readonly user: string;
  readonly order_no: string;
  readonly quantity: number;
  status: OrderStatus;
  /** The payment that paid the order. */
  paid_by?: string;
  /** An operator has asked for the refund of that payment. */
  refundAsked?: boolean;
}

interface ModelPayment {
  readonly payment_id: string;
  readonly order: ModelOrder;
  status: PaymentStatus;
}

/** The expected state: a few maps and no servers. */
class Model {
  readonly orders: ModelOrder[] = [];
  readonly payments: ModelPayment[] = [];
  readonly owners = new Map<string, Owner>();
  /** Orders whose return is not marked as applied. */
  readonly due = new Set<ModelOrder>();

  get available(): number {
    return UNITS - unitsHeld([...this.owners.values()]);
  }

  get live(): ModelOrder[] {
    return this.orders.filter(({ status }) => status === 'pending_payment' || status === 'paid');
  }

  move(order: ModelOrder, to: OrderStatus): boolean {
    if (!canMove(order.status, to)) return false;
    order.status = to;
    if (to !== 'paid') this.due.add(order);
    return true;
  }

  /** Whether the event changes something. */
  tell(payment: ModelPayment, kind: PaymentEvent['kind']): boolean {
    const { status, order, payment_id: paymentId } = payment;
    if (kind === 'declined') {
      if (status === 'started') payment.status = 'declined';
      return status === 'started';
    }
    if (kind === 'succeeded') {
      if (status !== 'started' && status !== 'declined') return false;
      const pays = this.move(order, 'paid');
      if (pays) order.paid_by = paymentId;
      payment.status = pays ? 'succeeded' : 'refund_pending';
      return true;
    }
    if (kind === 'wrong_amount' || kind === 'refund_failed') {
      const returned = kind === 'refund_failed' ? ['refunded'] : ['started', 'declined'];
      if (!returned.includes(status)) return false;
      payment.status = 'refund_pending';
      return true;
    }
    if (status === 'refunded') return false;
    payment.status = 'refunded';
    if (order.paid_by === paymentId) this.move(order, 'refunded');
    return true;
  }

  giveBack(): void {
    for (const { user, order_no: orderNo } of this.due)
      if (this.owners.get(user)?.orderNo === orderNo) this.owners.delete(user);
  }

  own({ user: userId, order_no: orderNo, quantity }: ModelOrder): void {
    this.owners.set(userId, { userId, orderNo, quantity });
  }

  rebuild(): void {
    this.owners.clear();
    for (const order of this.live) this.own(order);
  }
}

/** One run: a sale, its model, and every event that was applied. */
export class Run {
  readonly #context: TestContext;
  readonly #sale: Sale;
  readonly #writer: OrderWriter;
  readonly #model = new Model();
  readonly #applied: PaymentEvent[] = [];
  #events = 0;

  constructor(context: TestContext, sale: Sale) {
    const { db, commands, log } = context;
    this.#context = context;
    this.#sale = sale;
    const sizes = { orderBatchMax: 500, paymentTimeoutMs: 900_000, orderEvents: false };
    this.#writer = new OrderWriter({ db, commands, log, metrics: createMetrics('worker'), ...sizes });
  }

  async take(step: Step): Promise<void> {
    const order = 'which' in step ? this.#model.orders[step.which % this.#model.orders.length] : undefined;
    switch (step.do) {
      case 'buy':
        await this.#buy(step.user, step.quantity);
        break;
      case 'pay':
        if (order !== undefined) await this.#pay(order);
        break;
      case 'cancel':
      case 'expire':
        if (order !== undefined) await this.#close(order, step.do === 'cancel' ? 'cancelled' : 'expired');
        break;
      case 'refund':
        if (order !== undefined) await this.#refund(order);
        break;
      case 'tell':
        await this.#tell(step.which, step.kind);
        break;
      case 'replay':
        await this.#replay(step.which);
        break;
      case 'returns':
        await this.#returns();
        break;
      case 'give_back':
        await this.#giveBackUnmarked();
        break;
      case 'rebuild':
        await rebuildSale(this.#context, this.#sale, 5_000);
        this.#model.rebuild();
        break;
    }
    await this.#compare();
  }

  async #buy(user: string, quantity: number): Promise<void> {
    const attempt = await newAttempt(this.#context, this.#sale, [user], { quantity });
    const [admission] = await send(this.#context, attempt);
    const { orderNo } = attempt.items[0]!;
    const { available, owners } = this.#model;
    const owned = owners.get(user);
    if (owned !== undefined) {
      assert.deepEqual(admission, { outcome: 'replayed', orderNo: owned.orderNo, quantity: owned.quantity });
    } else if (available < quantity) {
      assert.deepEqual(admission, { outcome: 'sold_out', available });
    } else {
      assert.deepEqual(admission, { outcome: 'accepted' });
      await settleOrdersOf(this.#writer, this.#sale, [orderNo]);
      const order: ModelOrder = { user, order_no: orderNo, quantity, status: 'pending_payment' };
      this.#model.own(order);
      this.#model.orders.push(order);
    }
  }

  async #pay(order: ModelOrder): Promise<void> {
    const isOpen = this.#model.payments.some((one) => one.order === order && one.status === 'started');
    const opened = openPayment(this.#context, order.order_no);
    if (order.status === 'pending_payment' && isOpen) return assert.rejects(opened, { errno: 1062 });
    const paymentId = await opened;
    if (order.status === 'pending_payment')
      this.#model.payments.push({ payment_id: paymentId, order, status: 'started' });
  }

  async #close(order: ModelOrder, to: 'cancelled' | 'expired'): Promise<void> {
    const { status, order_no: orderNo } = order;
    const moves = this.#model.move(order, to);
    // The actor that cancelled the order may repeat the call.
    const isAgain = status === 'cancelled';
    if (to === 'expired') {
      assert.equal(await expireOrders(this.#context, this.#sale.id, [orderNo]), moves ? 1 : 0);
    } else {
      const cancelled = cancelOrder(this.#context, this.#row(order), { actor: 'shopper' });
      if (moves || isAgain) assert.equal((await cancelled).status, 'cancelled');
      else await assert.rejects(cancelled, { code: 'invalid_state', detail: `The order is ${status}` });
    }
  }

  async #refund(order: ModelOrder): Promise<void> {
    const requested = requestRefund(this.#context, this.#row(order), 'operator');
    const isAgain = order.status === 'refunded' && order.refundAsked === true;
    if (order.status !== 'paid' && !isAgain) return assert.rejects(requested, { code: 'invalid_state' });
    await requested;
    if (isAgain) return;
    const payment = this.#model.payments.find(({ payment_id: paymentId }) => paymentId === order.paid_by)!;
    if (payment.status !== 'succeeded') return;
    payment.status = 'refund_pending';
    order.refundAsked = true;
  }

  async #tell(which: number, kind: PaymentEvent['kind']): Promise<void> {
    const payment = this.#model.payments[which % this.#model.payments.length];
    if (payment === undefined) return;
    this.#events += 1;
    const event = { eventId: `${this.#sale.id}-${this.#events}`, paymentId: payment.payment_id, kind };
    const applied = await applyPaymentEvent(this.#context, 'sandbox', event);
    assert.equal(applied, this.#model.tell(payment, kind));
    this.#applied.push(event);
  }

  async #replay(which: number): Promise<void> {
    const event = this.#applied[which % this.#applied.length];
    if (event !== undefined) assert.equal(await applyPaymentEvent(this.#context, 'sandbox', event), false);
  }

  async #returns(): Promise<void> {
    const { commands, db, log } = this.#context;
    await returns({ shard: 0, commands, db, log, metrics: createMetrics('worker') }).round(
      new AbortController().signal,
    );
    this.#model.giveBack();
    this.#model.due.clear();
  }

  async #giveBackUnmarked(): Promise<void> {
    const { commands, db } = this.#context;
    const due = await unappliedReturns(db, this.#sale.id, 100);
    await withStampedLease(this.#context, this.#sale, 5_000, ({ text }) => commands.giveBack(this.#sale, text, due));
    this.#model.giveBack();
  }

  #row({ order_no: orderNo, user, quantity, status }: ModelOrder): Order {
    const facts = { priceCents: this.#sale.priceCents, quantity, createdAtMs: 0, version: 1 };
    return { orderNo, userId: user, productId: this.#sale.id, status, ...facts };
  }

  async #compare(): Promise<void> {
    const { db } = this.#context;
    const model = this.#model;
    const [units, orders, payments, due, audit] = await Promise.all([
      unitsOf(this.#context, this.#sale),
      db.selectFrom('orders').select(['order_no', 'status']).where('product_id', '=', this.#sale.id).execute(),
      db
        .selectFrom('payments')
        .select(['payment_id', 'status', 'amount_cents'])
        .where('product_id', '=', this.#sale.id)
        .execute(),
      unappliedReturns(db, this.#sale.id, 1_000),
      auditSale(this.#context, this.#sale, { waitMs: 5_000, thorough: true }),
    ]);
    const byNumber = (rows: readonly { order_no: string; status: string }[]) =>
      new Map(rows.map(({ order_no: orderNo, status }) => [orderNo, status]));
    const byId = (rows: readonly { payment_id: string; status: string }[]) =>
      new Map(rows.map(({ payment_id: paymentId, status }) => [paymentId, status]));
    const expected = {
      available: model.available,
      total: UNITS,
      owners: Object.fromEntries([...model.owners].map(([user, owner]) => [user, ownerEntryOf(owner)])),
    };
    assert.deepEqual(units, expected);
    assert.deepEqual(byNumber(orders), byNumber(model.orders));
    assert.deepEqual(byId(payments), byId(model.payments));
    assert.deepEqual(new Set(due.map(({ orderNo }) => orderNo)), new Set([...model.due].map((one) => one.order_no)));
    // Promises 1, 2 and 4, checked without the model.
    assert.deepEqual({ verdict: audit?.verdict, findings: audit?.findings }, { verdict: 'clean', findings: [] });
    assert.equal(audit!.available + audit!.held, UNITS);
    assert.equal(audit!.sold, unitsHeld(model.live));
    // A payment is of the order's total.
    const amounts = new Map(payments.map((row) => [row.payment_id, row.amount_cents]));
    for (const { order, payment_id: paymentId } of model.payments)
      assert.equal(amounts.get(paymentId), order.quantity * this.#sale.priceCents);
    // The money of each order matches its status, or is being refunded.
    for (const { order, status, payment_id: paymentId } of model.payments) {
      if (status === 'succeeded') assert.deepEqual([order.status, order.paid_by], ['paid', paymentId]);
    }
  }
}
