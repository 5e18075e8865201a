/** A reservation is the only copy of an accepted order until the order is in the ledger. */
export interface Reservation {
  readonly orderNo: string;
  readonly userId: string;
  readonly priceCents: number;
  /**
   * When it was admitted, in ms since the epoch by the clock of Redis. This is the order's
   * `created_at`.
   */
  readonly admittedMs: number;
  readonly jobId: string;
  /** The id of the admitted request, for the logs. */
  readonly requestId: string;
  /** The trace context of that request, if it is traced. */
  readonly traceparent?: string | undefined;
}

/** A reservation with the order number in its shopper's owner entry, if there is one. */
export interface HeldReservation extends Reservation {
  readonly ownerOrderNo: string | undefined;
}

/** @param text the value under `order_no` in the hash of reservations */
export function reservationOf(orderNo: string, text: string): Reservation {
  const [admittedMs, priceCents, jobId, request, userId] = text.split(' ') as [string, string, string, string, string];
  const [requestId, traceparent] = request.split('~', 2) as [string, string?];
  const numbers = { priceCents: Number(priceCents), admittedMs: Number(admittedMs) };
  return { orderNo, userId, ...numbers, jobId, requestId, traceparent };
}

const HELD_RESERVATION = /^(\S+) ((?:\S+ ){4}\S+) (.+)$/;

/** Parses `order_no reservation ownerOrderNo|-`. */
export function heldReservationOf(line: string): HeldReservation {
  const [, orderNo, text, owner] = HELD_RESERVATION.exec(line)!;
  return { ...reservationOf(orderNo!, text!), ownerOrderNo: owner === '-' ? undefined : owner };
}

/** An order that waits longer than this for the ledger is late: something is wrong. */
export const RESERVATION_LATE_MS = 30_000;

/**
 * A reservation with a time further in the future than this was admitted before Redis's clock was
 * set back. How long it has waited is not known.
 */
export const RESERVATION_AHEAD_MS = 1_000;
