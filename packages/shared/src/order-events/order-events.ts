import type { OrderStatus } from '../order/order.ts';

/**
 * Maximum number of orders in a message, and so in a row of the outbox. Keeps a body near 25 KB.
 */
export const EVENTS_PER_MESSAGE_MAX = 100;

/** Orders of one sale that reached a status together, as the outbox stores them. */
export interface OrderEvents {
  /** Higher with each commit of a sale: a later event of an order has a higher id. */
  readonly id: number;
  readonly status: OrderStatus;
  readonly orderNos: readonly string[];
  readonly cameMs: number;
  /** Undefined until the first attempt. */
  readonly messageId: string | undefined;
  readonly attempts: number;
  readonly nextAttemptMs: number | undefined;
  readonly waitingSinceMs: number;
}

/** The content of one request to the receiver. */
export interface EventMessage {
  /** Undefined if the message is new. */
  readonly messageId: string | undefined;
  /** Ordered by their ids. */
  readonly events: readonly OrderEvents[];
}

/**
 * The messages that can be sent now, in parallel, so that the events of each order arrive in order.
 * Begun messages keep their rows. A row about an order in an undelivered earlier message waits for
 * that message; all other rows go on.
 *
 * @param begun every begun message, each with all of its rows
 * @param fresh the oldest rows without a message, ordered by their ids
 */
export function messagesToSend(
  begun: readonly EventMessage[],
  fresh: readonly OrderEvents[],
  nowMs: number,
): EventMessage[] {
  /** The orders in messages before the open one. */
  const taken = new Set(begun.flatMap(({ events }) => events.flatMap(({ orderNos }) => orderNos)));
  const made: OrderEvents[][] = [];
  let open: OrderEvents[] = [];
  let room = 0;
  for (const events of fresh) {
    if (events.orderNos.length > room) {
      for (const { orderNos } of open) for (const orderNo of orderNos) taken.add(orderNo);
      open = [];
      room = EVENTS_PER_MESSAGE_MAX;
    }
    if (events.orderNos.some((orderNo) => taken.has(orderNo))) {
      for (const orderNo of events.orderNos) taken.add(orderNo);
      continue;
    }
    if (open.length === 0) made.push(open);
    open.push(events);
    room -= events.orderNos.length;
  }
  const due = begun.filter(({ events: [first] }) => (first!.nextAttemptMs ?? 0) <= nowMs);
  return [...due, ...made.map((events) => ({ messageId: undefined, events }))];
}

const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 60_000;

/**
 * The wait after a number of failed attempts. It doubles each time up to a minute, and is up to a
 * quarter shorter at random, so that messages spread out.
 */
export function retryAfterMs(attempts: number, random: number): number {
  return Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** (attempts - 1)) * (1 - random / 4);
}
