import { newUlid } from '@flash-sale/shared/order/order-number.ts';
import { messagesToSend, retryAfterMs, type EventMessage } from '@flash-sale/shared/order-events/order-events.ts';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { ledgerTime } from '@flash-sale/shared/platform/mysql/clock.ts';
import { giveUpOrderEvents } from '@flash-sale/shared/order-events/dead-order-events.ts';
import {
  begunMessages,
  deleteOrderEvents,
  freshOrderEvents,
  nameMessage,
  oldestOrderEventMs,
  recordFailedAttempt,
} from '@flash-sale/shared/order-events/order-events-table.ts';
import { findOrders } from '@flash-sale/shared/order/orders-table.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { WaitingAge } from './waiting-age.ts';
import { bodyOf } from '../order-events/message.ts';
import { ReceiverFault, type Receiver } from '../order-events/receiver.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';
import { Silence } from './outage.ts';

const INTERVAL_MS = 200;
const CONCURRENCY = 8;
/**
 * The number of rows, and of messages, read together. If this many messages wait for their next
 * attempt, no new one is begun.
 */
const WINDOW = 200;

export interface OrderEventsDeps {
  readonly db: Db;
  readonly receiver: Receiver;
  /** Maximum number of messages in flight. Tests set it lower. */
  readonly concurrency?: number;
  /** A message that was not delivered in this time is dead. */
  readonly giveUpMs: number;
  /** Tests set it lower. */
  readonly window?: number;
  /**
   * After this time without an answer of the receiver another process tries. Tests set it lower.
   */
  readonly silenceMsMax?: number;
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
  const { db, receiver, concurrency = CONCURRENCY, giveUpMs, window = WINDOW, log, metrics } = deps;
  /** The receiver has asked for a pause until then. */
  let restsUntilMs = 0;
  const oldestAge = new WaitingAge();
  const silence = new Silence(deps.silenceMsMax);
  // Initialize at 0, so that the first one counts as an increase.
  for (const outcome of ['delivered', 'failed', 'dead']) metrics.orderEventAttempts.inc({ outcome }, 0);

  /** Whether the message was delivered; undefined if another process sends it. */
  async function send(message: EventMessage): Promise<boolean | undefined> {
    const { events } = message;
    const ids = events.map(({ id }) => id);
    const messageId = message.messageId ?? `msg_${newUlid(Date.now())}`;
    if (message.messageId === undefined && !(await nameMessage(db, ids, messageId))) return undefined;
    const orderNos = events.flatMap((one) => one.orderNos);
    const orders = await findOrders(db, [...new Set(orderNos)]);
    try {
      await receiver.deliver(messageId, bodyOf(events, new Map(orders.map((order) => [order.orderNo, order]))));
      silence.answered();
    } catch (error) {
      if (error instanceof ReceiverFault) silence.answered();
      else silence.unanswered(error);
      await recordFailure(message, messageId, error);
      return false;
    }
    await deleteOrderEvents(db, ids);
    metrics.orderEventsDelivered.inc(orderNos.length);
    metrics.orderEventAttempts.inc({ outcome: 'delivered' });
    log.debug({ message_id: messageId, orders: orderNos.length }, 'order events delivered');
    return true;
  }

  async function recordFailure({ events }: EventMessage, messageId: string, error: unknown): Promise<void> {
    const nowMs = (await ledgerTime(db)).getTime();
    const askedForMs = error instanceof ReceiverFault ? (error.retryAfterMs ?? 0) : 0;
    if (askedForMs > 0) restsUntilMs = performance.now() + askedForMs;
    const dead = events.every(({ waitingSinceMs }) => waitingSinceMs + giveUpMs <= nowMs);
    const attempts = events[0]!.attempts + 1;
    await recordFailedAttempt(
      db,
      events.map(({ id }) => id),
      {
        error: sentenceOf(error),
        nextAttemptInMs: Math.max(askedForMs, retryAfterMs(attempts, Math.random())),
        dead,
      },
    );
    metrics.orderEventAttempts.inc({ outcome: dead ? 'dead' : 'failed' });
    const facts = { err: error, message_id: messageId, attempts };
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
    const nowMs = (await ledgerTime(db)).getTime();
    const oldestMs = await oldestOrderEventMs(db);
    metrics.orderEventsOldestSeconds.set(oldestAge.ofMs(oldestMs === undefined ? undefined : nowMs - oldestMs) / 1_000);
    const isFull = begun.length >= window;
    const messages = messagesToSend(begun.slice(0, window), isFull ? [] : fresh, nowMs);
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
    intervalMs: INTERVAL_MS,
    async round(stopping) {
      while (!stopping.aborted && (await pass(stopping)));
      silence.endRound();
    },
    // A process that does not deliver does not know what waits.
    rest: () => metrics.orderEventsOldestSeconds.set(0),
  };
}

const GIVE_UP_INTERVAL_MS = 60_000;

/**
 * For a service without a receiver: events that were stored for an earlier one are given up after
 * the same time as any undelivered event.
 */
export function orderEventsWithoutReceiver({
  db,
  giveUpMs,
  log,
  metrics,
}: Pick<OrderEventsDeps, 'db' | 'giveUpMs' | 'log' | 'metrics'>): Rounds<'order_events'> {
  return {
    name: 'order_events',
    intervalMs: GIVE_UP_INTERVAL_MS,
    async round() {
      const rows = await giveUpOrderEvents(db, giveUpMs, 'EVENTS_URL is not set');
      if (rows === 0) return;
      metrics.orderEventAttempts.inc({ outcome: 'dead' });
      log.error({ rows }, 'order events are dead, since EVENTS_URL is not set: an operator must retry or discard them');
    },
  };
}

/** The error for operators: fetch reports the reason as the cause of its error. */
function sentenceOf(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error && cause.message !== '' ? cause.message : message;
}
