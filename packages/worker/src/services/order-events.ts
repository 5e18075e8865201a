import { newUlid } from '@flash-sale/shared/order/order-number.ts';
import { messagesToSend, retryAfter_ms, type EventMessage } from '@flash-sale/shared/order-events/order-events.ts';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { ledgerTime } from '@flash-sale/shared/platform/mysql/clock.ts';
import {
  begunMessages,
  deleteOrderEvents,
  freshOrderEvents,
  giveUpOrderEvents,
  nameMessage,
  oldestOrderEventMs,
  recordFailedAttempt,
} from '@flash-sale/shared/order-events/order-events-table.ts';
import { findOrders } from '@flash-sale/shared/order/orders-table.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { bodyOf } from '../order-events/message.ts';
import { ReceiverFault, type Receiver } from '../order-events/receiver.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';

const INTERVAL_MS = 200;
const CONCURRENCY = 8;
/**
 * The number of rows, and of messages, read together. If so many messages wait for their next
 * attempt, no new one is begun.
 */
const WINDOW = 200;

export interface OrderEventsDeps {
  readonly db: Db;
  readonly receiver: Receiver;
  /** Maximum number of messages in flight. Tests set it lower. */
  readonly concurrency?: number;
  /** A message that was not delivered in this time is dead. */
  readonly give_up_ms: number;
  /** Tests set it lower. */
  readonly window?: number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Order events: reports every status of an order to the receiver, at least once, and in order for
 * each order. The transaction that changes the status stores the event in MySQL, where it stays
 * until the receiver has accepted it; after a crash in between, the same message is delivered
 * again. One process at a time; two at once would send duplicates but do no harm.
 */
export function orderEvents(deps: OrderEventsDeps): Rounds<'order_events'> {
  const { db, receiver, concurrency = CONCURRENCY, give_up_ms, window = WINDOW, log, metrics } = deps;
  /** The receiver has asked for a pause until then. */
  let restsUntilMs = 0;
  // Initialize at 0, so that the first one counts as an increase.
  for (const outcome of ['delivered', 'failed', 'dead']) metrics.order_event_attempts.inc({ outcome }, 0);

  /** Whether the message was delivered; undefined if another process sends it. */
  async function send(message: EventMessage): Promise<boolean | undefined> {
    const { events } = message;
    const ids = events.map(({ id }) => id);
    const message_id = message.message_id ?? `msg_${newUlid(Date.now())}`;
    if (message.message_id === undefined && !(await nameMessage(db, ids, message_id))) return undefined;
    const orderNos = events.flatMap(({ order_nos }) => order_nos);
    const orders = await findOrders(db, [...new Set(orderNos)]);
    try {
      await receiver.deliver(message_id, bodyOf(events, new Map(orders.map((order) => [order.order_no, order]))));
    } catch (error) {
      await recordFailure(message, message_id, error);
      return false;
    }
    await deleteOrderEvents(db, ids);
    metrics.order_events_delivered.inc(orderNos.length);
    metrics.order_event_attempts.inc({ outcome: 'delivered' });
    log.debug({ message_id, orders: orderNos.length }, 'order events delivered');
    return true;
  }

  async function recordFailure({ events }: EventMessage, message_id: string, error: unknown): Promise<void> {
    const now_ms = (await ledgerTime(db)).getTime();
    const retryAfterMs = error instanceof ReceiverFault ? (error.retryAfterMs ?? 0) : 0;
    if (retryAfterMs > 0) restsUntilMs = performance.now() + retryAfterMs;
    const dead = events.every(({ waiting_since_ms }) => waiting_since_ms + give_up_ms <= now_ms);
    const attempts = events[0]!.attempts + 1;
    await recordFailedAttempt(
      db,
      events.map(({ id }) => id),
      {
        error: sentenceOf(error),
        next_attempt_in_ms: Math.max(retryAfterMs, retryAfter_ms(attempts, Math.random())),
        dead,
      },
    );
    metrics.order_event_attempts.inc({ outcome: dead ? 'dead' : 'failed' });
    const facts = { err: error, message_id, attempts };
    if (dead) log.error(facts, 'order events are dead: an operator must retry or discard them');
    else log.warn(facts, 'could not deliver order events; retrying later');
  }

  /**
   * Sends the messages that can be sent from the oldest rows. Returns whether there may be more to
   * send at once.
   */
  async function pass(stopping: AbortSignal): Promise<boolean> {
    // Read this before the begun messages: a row that another process assigns meanwhile is then in
    // both lists, and later rows wait for it.
    const fresh = await freshOrderEvents(db, window);
    const begun = await begunMessages(db, window + 1);
    const now_ms = (await ledgerTime(db)).getTime();
    metrics.order_events_oldest_seconds.set(Math.max(0, now_ms - ((await oldestOrderEventMs(db)) ?? now_ms)) / 1_000);
    const isFull = begun.length >= window;
    const messages = messagesToSend(begun.slice(0, window), isFull ? [] : fresh, now_ms);
    let delivered = 0;
    let failed = 0;
    const next = async (): Promise<void> => {
      // If the receiver accepts nothing, wait until the next round.
      while (failed < concurrency && !stopping.aborted && performance.now() >= restsUntilMs) {
        const message = messages.shift();
        if (message === undefined) return;
        const taken = await send(message);
        if (taken === true) delivered += 1;
        else if (taken === false) failed += 1;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, next));
    return delivered > 0;
  }

  return {
    name: 'order_events',
    interval_ms: INTERVAL_MS,
    async round(stopping) {
      while (!stopping.aborted && (await pass(stopping)));
    },
    // A process that does not deliver does not know what waits.
    rest: () => metrics.order_events_oldest_seconds.set(0),
  };
}

const GIVE_UP_INTERVAL_MS = 60_000;

/**
 * For a service without a receiver: events that were stored for an earlier one are given up after
 * the same time as any undelivered event.
 */
export function orderEventsWithoutReceiver({
  db,
  give_up_ms,
  log,
  metrics,
}: Pick<OrderEventsDeps, 'db' | 'give_up_ms' | 'log' | 'metrics'>): Rounds<'order_events'> {
  return {
    name: 'order_events',
    interval_ms: GIVE_UP_INTERVAL_MS,
    async round() {
      const rows = await giveUpOrderEvents(db, give_up_ms, 'EVENTS_URL is not set');
      if (rows === 0) return;
      metrics.order_event_attempts.inc({ outcome: 'dead' });
      log.error({ rows }, 'order events are dead, since EVENTS_URL is not set: an operator must retry or discard them');
    },
  };
}

/** The error for operators: fetch reports the reason as the cause of its error. */
function sentenceOf(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error && cause.message !== '' ? cause.message : message;
}
