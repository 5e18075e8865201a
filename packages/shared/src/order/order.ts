/**
 * The life of an order. `queued` exists in Redis only: the order is a reservation and not in the
 * ledger yet.
 *
 * queued → pending_payment → paid → refunded
 * pending_payment → cancelled | expired
 * queued → failed
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

/** The states that close an order: it loses its units, which become available again. */
export type ClosedStatus = 'cancelled' | 'expired' | 'refunded';

export const ORDER_STATUSES = Object.keys(ORDER_TRANSITIONS) as OrderStatus[];

/** The statuses of orders in the ledger. */
export const WRITTEN_STATUSES = ORDER_STATUSES.filter((status) => status !== 'queued');

/** The reason why an accepted order became a `failed` row. */
export type FailureReason =
  /**
   * The owner entry of its shopper is missing or names another order, so the order holds no units.
   */
  | 'not_owner'
  /** The sale has fewer units left in the ledger than the order needs. */
  | 'no_unit'
  /** MySQL rejects the row, and a retry cannot succeed. */
  | 'refused';

/** How long pollers read a settled order from Redis. */
export const SETTLED_LIFE_MS = 600_000;

/**
 * An order as shoppers see it, from Redis or from the ledger. Times are milliseconds since the
 * epoch, UTC.
 */
export interface Order {
  readonly orderNo: string;
  readonly userId: string;
  readonly productId: number;
  readonly status: OrderStatus;
  /** The price of one unit. */
  readonly priceCents: number;
  /** How many units it holds, or held. */
  readonly quantity: number;
  readonly createdAtMs: number;
  /** Raised by one with every change of the row; 0 while queued. */
  readonly version: number;
  readonly reason?: string;
  /** The payment deadline, counted from the COMMIT. */
  readonly expiresAtMs?: number;
  readonly paidAtMs?: number;
  /** When it was cancelled, expired, refunded or failed. */
  readonly closedAtMs?: number;
}
