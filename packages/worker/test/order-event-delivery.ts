import type { Order } from '@flash-sale/shared/order/order.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { findOrders } from '@flash-sale/shared/order/orders-table.ts';
import { applyPaymentEvent } from '@flash-sale/shared/order-moves/apply-payment-event.ts';
import { cancelOrder } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { openPayment } from '@flash-sale/shared/testing/ordering.ts';
import type { TestContext } from '@flash-sale/shared/testing/support.ts';
import { httpReceiver, type Receiver } from '../src/order-events/receiver.ts';
import { OrderWriter } from '../src/order-writer/order-writer.ts';
import { orderEvents } from '../src/services/order-events.ts';
import { admitAll, settleOrdersOf } from './shoppers.ts';
import type { Received, WebhookReceiver } from './webhook-receiver.ts';

export const GOING_ON = new AbortController().signal;
export const SECRET = `whsec_${Buffer.from('a key of twenty-four byte').toString('base64')}`;
export const GIVE_UP_MS = 60_000;
const ANSWER_TIMEOUT_MS = 500;

interface DeliveryFields {
  url?: string;
  receiver?: Receiver;
  concurrency?: number;
  giveUpMs?: number;
  window?: number;
}
/** The delivering service of one process, with metrics of its own. */
export function openDelivery(context: TestContext, web: WebhookReceiver, fields: DeliveryFields = {}) {
  const metrics = createMetrics('worker');
  const { db, log, config } = context;
  const { url = web.url, concurrency = 4, giveUpMs = GIVE_UP_MS, window } = fields;
  const receiver = fields.receiver ?? httpReceiver(url, config, ANSWER_TIMEOUT_MS);
  const rounds = orderEvents({ db, receiver, concurrency, giveUpMs, log, metrics, ...(window && { window }) });
  return { metrics, rounds, round: () => rounds.round(GOING_ON) };
}

/** The orders of these shoppers, written by the order writer. */
export async function write(context: TestContext, sale: Sale, users: readonly string[]): Promise<Order[]> {
  const { commands, db, log } = context;
  const orderNos = await admitAll(context, sale, users);
  const sizes = { orderBatchMax: 500, paymentTimeoutMs: 900_000, orderEvents: true };
  await settleOrdersOf(
    new OrderWriter({ db, commands, log, metrics: createMetrics('worker'), ...sizes }),
    sale,
    orderNos,
  );
  const orders = new Map((await findOrders(db, orderNos)).map((order) => [order.orderNo, order]));
  return orderNos.map((orderNo) => orders.get(orderNo)!);
}

export async function pay(
  context: TestContext,
  order: Order,
  kinds: readonly ('succeeded' | 'refunded')[] = ['succeeded'],
): Promise<void> {
  const paymentId = await openPayment(context, order.orderNo);
  for (const kind of kinds)
    await applyPaymentEvent(context, 'sandbox', { eventId: `${kind} ${paymentId}`, paymentId, kind });
}
export const cancel = (context: TestContext, order: Order) => cancelOrder(context, order, { actor: 'shopper' });

/** The rows that are not delivered. */
export const waiting = (context: TestContext) =>
  context.db.selectFrom('order_events').selectAll().orderBy('id').execute();
/** Makes every message due now. */
export const makeDue = (context: TestContext) =>
  context.db.updateTable('order_events').set({ next_attempt_at: null }).execute();
/** The types of the events about this order, in the order in which they were delivered. */
export const toldOf = (messages: readonly Received[], order: Order): string[] =>
  messages.flatMap(({ events }) =>
    events.filter(({ data }) => data.order_no === order.orderNo).map(({ type }) => type),
  );
