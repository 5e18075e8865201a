/**
 * The life of an order. `queued` exists in Redis only: a reservation that the ledger does not have yet.
 *
 *     queued → pending_payment → paid → refunded
 *                pending_payment → cancelled | expired
 *     queued → failed
 */
export const ORDER_TRANSITIONS = {
  queued: ['pending_payment', 'failed'],
  pending_payment: ['paid', 'cancelled', 'expired'],
  paid: ['refunded'],
  refunded: [],
  cancelled: [],
  expired: [],
  failed: [],
} as const satisfies Record<string, readonly string[]>;

export type OrderStatus = keyof typeof ORDER_TRANSITIONS;

/** Whether the order may make this move. */
export function canMove(from: OrderStatus, to: OrderStatus): boolean {
  return (ORDER_TRANSITIONS[from] as readonly OrderStatus[]).includes(to);
}

/** A close takes the order's unit away, which then goes back on sale. */
export type ClosedStatus = 'cancelled' | 'expired' | 'refunded';

export const ORDER_STATUSES = Object.keys(ORDER_TRANSITIONS) as OrderStatus[];

/** An order in one of these holds a unit and counts in `products.sold`. */
export const LIVE_STATUSES = ['pending_payment', 'paid'] as const satisfies readonly OrderStatus[];

/** Why an accepted order became a `failed` row. */
export type FailureReason =
  /** The owner entry of its shopper names another order or none: its unit is not held. */
  | 'not_owner'
  /** The ledger already counts as many live orders as the sale has units. */
  | 'no_unit'
  /** MySQL refuses the row for good. */
  | 'refused';

/** How long pollers read a settled order from Redis, and are sent to the ledger after a change. */
export const STATUS_LIFE_MS = 600_000;

/** An order as shoppers see it, wherever it was read. Times are milliseconds since the epoch, UTC. */
export interface Order {
  readonly order_no: string;
  readonly user_id: string;
  readonly product_id: number;
  readonly status: OrderStatus;
  readonly price_cents: number;
  readonly created_at_ms: number;
  /** Goes up by one with every change of the row; 0 while queued. */
  readonly version: number;
  readonly reason?: string;
  /** Until when it can be paid; counts from the COMMIT. */
  readonly expires_at_ms?: number;
  readonly paid_at_ms?: number;
  /** When it was cancelled, expired, refunded or failed. */
  readonly closed_at_ms?: number;
}

/** An order that waits for the ledger for longer than this is late: something is wrong. */
export const RESERVATION_LATE_MS = 30_000;

/** A reservation that was admitted further ahead than this is of a time before Redis's clock was set back: how long it has waited is not known. */
export const RESERVATION_AHEAD_MS = 1_000;
