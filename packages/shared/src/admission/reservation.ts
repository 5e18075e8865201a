/** A reservation is the only copy of an accepted order until the order is in the ledger. */
export interface Reservation {
  readonly order_no: string;
  readonly user_id: string;
  readonly price_cents: number;
  /**
   * When it was admitted, in ms since the epoch by the clock of Redis. This is the order's
   * `created_at`.
   */
  readonly admitted_ms: number;
  readonly job_id: string;
  /** The id of the admitted request, for the logs. */
  readonly request_id: string;
  /** The trace context of that request, if it is traced. */
  readonly traceparent?: string | undefined;
}

/** A reservation with the order number in its shopper's owner entry, if there is one. */
export interface HeldReservation extends Reservation {
  readonly owner_order_no: string | undefined;
}

/** @param text the value under `order_no` in the hash of reservations */
export function reservationOf(order_no: string, text: string): Reservation {
  const [admitted_ms, price_cents, job_id, request, user_id] = text.split(' ') as [
    string,
    string,
    string,
    string,
    string,
  ];
  const [request_id, traceparent] = request.split('~', 2) as [string, string?];
  const numbers = { price_cents: Number(price_cents), admitted_ms: Number(admitted_ms) };
  return { order_no, user_id, ...numbers, job_id, request_id, traceparent };
}

const HELD_RESERVATION = /^(\S+) ((?:\S+ ){4}\S+) (.+)$/;

/** Parses `order_no reservation owner_order_no|-`. */
export function heldReservationOf(line: string): HeldReservation {
  const [, order_no, text, owner] = HELD_RESERVATION.exec(line)!;
  return { ...reservationOf(order_no!, text!), owner_order_no: owner === '-' ? undefined : owner };
}

/** An order that waits longer than this for the ledger is late: something is wrong. */
export const RESERVATION_LATE_MS = 30_000;

/**
 * A reservation with a time further in the future than this was admitted before Redis's clock was
 * set back. How long it has waited is not known.
 */
export const RESERVATION_AHEAD_MS = 1_000;
