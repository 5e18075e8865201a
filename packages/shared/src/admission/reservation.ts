/**
 * A reservation is the only copy of an accepted order until the order is in the ledger: one line of
 * its batch.
 */
export interface Reservation {
  readonly orderNo: string;
  readonly userId: string;
  readonly quantity: number;
  readonly priceCents: number;
  /**
   * When it was admitted, in ms since the epoch by the clock of Redis. This is the order's
   * `created_at`.
   */
  readonly admittedMs: number;
  /** The batch that it is stored in. */
  readonly batchNo: string;
  /** The id of the admitted request, for the logs. */
  readonly requestId: string;
  /** The trace context of that request, if it is traced. */
  readonly traceparent?: string | undefined;
}

/** An order that waits longer than this for the ledger is late: something is wrong. */
export const RESERVATION_LATE_MS = 30_000;

/**
 * A reservation with a time further in the future than this was admitted before Redis's clock was
 * set back. How long it has waited is not known.
 */
export const RESERVATION_AHEAD_MS = 1_000;
