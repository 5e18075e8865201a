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
/** Rows, and messages, looked at together. When so many messages wait for their next attempt, no other one is begun. */
const WINDOW = 200;

export interface OrderEventsDeps {
  readonly db: Db;
  readonly receiver: Receiver;
  /** Messages in flight at once. Tests make it small. */
  readonly concurrency?: number;
  /** A message that was not delivered for so long is dead. */
  readonly give_up_ms: number;
  /** Tests make it small. */
  readonly window?: number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Order events: tells the receiver of every status that an order comes to, at least once and in order per order. What there is to tell is in
 * MySQL, in the transaction that made it so, and stays there until the receiver has taken it; a crash in between delivers the same message
 * again. One process at a time; two at once would cost the receiver duplicates and harm nothing.
 */
export function orderEvents(deps: OrderEventsDeps): Rounds<'order_events'> {
  const { db, receiver, concurrency = CONCURRENCY, give_up_ms, window = WINDOW, log, metrics } = deps;
  /** The receiver wants to be left alone until then. */
  let restsUntilMs = 0;
  // There from the start, so that the first one counts as an increase.
  for (const outcome of ['delivered', 'failed', 'dead']) metrics.order_event_attempts.inc({ outcome }, 0);

  /** Whether the message was delivered; undefined where somebody else sends it. */
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

  /** Sends what can be sent of the oldest rows. Returns whether there may be more to send at once. */
  async function pass(stopping: AbortSignal): Promise<boolean> {
    // Before what is begun: what somebody else names in between is then seen in both, and what comes after it waits.
    const fresh = await freshOrderEvents(db, window);
    const begun = await begunMessages(db, window + 1);
    const now_ms = (await ledgerTime(db)).getTime();
    metrics.order_events_oldest_seconds.set(Math.max(0, now_ms - ((await oldestOrderEventMs(db)) ?? now_ms)) / 1_000);
    const isFull = begun.length >= window;
    const messages = messagesToSend(begun.slice(0, window), isFull ? [] : fresh, now_ms);
    let delivered = 0;
    let failed = 0;
    const next = async (): Promise<void> => {
      // A receiver that takes nothing is left alone until the next round.
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
    // Whoever does not deliver knows nothing of what waits.
    rest: () => metrics.order_events_oldest_seconds.set(0),
  };
}

const GIVE_UP_INTERVAL_MS = 60_000;

/** What becomes of order events of a service whose receiver was taken away: they are given up in their time, as any other that nobody takes. */
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

/** What went wrong, for operators: fetch tells the cause apart from its own message. */
function sentenceOf(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error && cause.message !== '' ? cause.message : message;
}
