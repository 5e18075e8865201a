import type { OrderStatus } from '../order/order.ts';

/** Orders that a message tells of, at most, and so orders in a row of the outbox. Keeps a body near 25 KB. */
export const EVENTS_PER_MESSAGE_MAX = 100;

/** Orders of one sale that came to a status together, as the outbox keeps them. */
export interface OrderEvents {
  /** Grows with the commits of a sale: an order's later event has a higher one. */
  readonly id: number;
  readonly status: OrderStatus;
  readonly order_nos: readonly string[];
  readonly came_ms: number;
  /** Undefined until it is first tried. */
  readonly message_id: string | undefined;
  readonly attempts: number;
  readonly next_attempt_ms: number | undefined;
  readonly waiting_since_ms: number;
}

/** What is delivered in one request. */
export interface EventMessage {
  /** Undefined where it is put together now. */
  readonly message_id: string | undefined;
  /** In the order of their ids. */
  readonly events: readonly OrderEvents[];
}

/**
 * The messages that can be sent now, side by side, so that each order's events arrive in order: those under way stay as they were put together, and
 * what tells of an order that an undelivered earlier message tells of waits for that. Everything else goes on.
 *
 * @param begun every message that is under way, each with all of its rows
 * @param fresh the oldest rows that no message has, in the order of their ids
 */
export function messagesToSend(
  begun: readonly EventMessage[],
  fresh: readonly OrderEvents[],
  now_ms: number,
): EventMessage[] {
  /** Orders that a message before the one that is open tells of. */
  const taken = new Set(begun.flatMap(({ events }) => events.flatMap(({ order_nos }) => order_nos)));
  const made: OrderEvents[][] = [];
  let open: OrderEvents[] = [];
  let room = 0;
  for (const events of fresh) {
    if (events.order_nos.length > room) {
      for (const { order_nos } of open) for (const order_no of order_nos) taken.add(order_no);
      open = [];
      room = EVENTS_PER_MESSAGE_MAX;
    }
    if (events.order_nos.some((order_no) => taken.has(order_no))) {
      for (const order_no of events.order_nos) taken.add(order_no);
      continue;
    }
    if (open.length === 0) made.push(open);
    open.push(events);
    room -= events.order_nos.length;
  }
  const due = begun.filter(({ events: [first] }) => (first!.next_attempt_ms ?? 0) <= now_ms);
  return [...due, ...made.map((events) => ({ message_id: undefined, events }))];
}

const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 60_000;

/** How long to wait after so many failed attempts: twice as long each time up to a minute, and up to a quarter less, so that messages spread out. */
export function retryAfter_ms(attempts: number, random: number): number {
  return Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** (attempts - 1)) * (1 - random / 4);
}
