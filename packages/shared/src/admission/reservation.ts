/** A reservation: the only copy of an accepted order until the ledger has it. */
export interface Reservation {
  readonly order_no: string;
  readonly user_id: string;
  readonly price_cents: number;
  /** When it was admitted, milliseconds since the epoch by Redis's clock: the order's `created_at`. */
  readonly admitted_ms: number;
  readonly job_id: string;
  /** The request that was admitted, for the logs. */
  readonly request_id: string;
  /** Where that request is in its trace, if it is traced. */
  readonly traceparent?: string | undefined;
}

/** A reservation with the order number that its shopper's owner entry names, if any. */
export interface HeldReservation extends Reservation {
  readonly owner_order_no: string | undefined;
}

/** @param text what the hash of reservations has under `order_no` */
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

/** From `order_no reservation owner_order_no|-`. */
export function heldReservationOf(line: string): HeldReservation {
  const [, order_no, text, owner] = HELD_RESERVATION.exec(line)!;
  return { ...reservationOf(order_no!, text!), owner_order_no: owner === '-' ? undefined : owner };
}
