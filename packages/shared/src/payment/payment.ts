import { newUlid } from '../order/order-number.ts';

/**
 * The life of a payment. It is separate from its order's: money can arrive for a closed order, and
 * is then refunded. A declined payment may still succeed, since providers deliver events in any
 * order and let a shopper try again.
 *
 * started → succeeded → refund_pending → refunded
 * started → declined → succeeded
 * refunded → refund_pending: the refund did not reach the shopper
 */
export const PAYMENT_TRANSITIONS = {
  started: ['succeeded', 'declined'],
  declined: ['succeeded'],
  succeeded: ['refund_pending'],
  refund_pending: ['refunded'],
  refunded: ['refund_pending'],
} as const satisfies Record<string, readonly string[]>;

export type PaymentStatus = keyof typeof PAYMENT_TRANSITIONS;

export const PAYMENT_STATUSES = Object.keys(PAYMENT_TRANSITIONS) as PaymentStatus[];

/**
 * What can be wrong with a payment:
 * - `overdue`: for more than an hour it has waited for its refund, or its order has closed and the
 *   provider does not say what became of it;
 * - `wrong_amount`: what came is not what the order costs, and is refunded;
 * - `failing`: the last call to the provider failed, and is repeated.
 */
export const PAYMENT_PROBLEMS = ['overdue', 'wrong_amount', 'failing'] as const;
export type PaymentProblem = (typeof PAYMENT_PROBLEMS)[number];

/** Whether the payment may make this move. */
export function canMovePayment(from: PaymentStatus, to: PaymentStatus): boolean {
  return (PAYMENT_TRANSITIONS[from] as readonly PaymentStatus[]).includes(to);
}

/** The fields of a payment that providers and callers need. */
export interface Payment {
  readonly paymentId: string;
  readonly orderNo: string;
  readonly productId: number;
  readonly provider: string;
  readonly providerRef: string | null;
  readonly url: string | null;
  readonly status: PaymentStatus;
  /** What the order costs: the price of its units together. */
  readonly amountCents: number;
  /** ISO 4217. */
  readonly currency: string;
  /** Part of the idempotency keys of its calls. */
  readonly keyNo: number;
}

/**
 * An amount in the smallest unit of its currency, as providers count it. This unit is not always a
 * cent.
 */
export interface Money {
  readonly amount: number;
  /** ISO 4217. */
  readonly currency: string;
}

/**
 * The kind of a payment event. `wrong_amount`: money arrived, but not what the order costs.
 * `refund_changed`: something happened to a refund. The provider must be asked for the present
 * state, since events come in any order and a refund that has arrived may fail later.
 */
export type PaymentEventKind =
  | 'succeeded'
  | 'wrong_amount'
  | 'declined'
  | 'refunded'
  | 'refund_failed'
  | 'refund_changed';

/** A provider's event about a payment. */
export interface PaymentEvent {
  /** The provider's id of the event. An event is applied once per id. */
  readonly eventId: string;
  readonly paymentId: string;
  readonly kind: PaymentEventKind;
  /** The amount received, with `succeeded`. Providers of real money always report it. */
  readonly received?: Money;
}

/**
 * The effect of an event on a payment. `return`: its money is refunded, and the order does not
 * change. `ask`: its provider is asked. `none`: the event is outdated. Events come in any order,
 * and an earlier one may be lost: `refunded` means that money arrived and was refunded, whatever
 * was recorded before.
 */
export type PaymentEffect = 'pay' | 'return' | 'decline' | 'refund' | 'ask' | 'none';

export function effectOf(kind: PaymentEventKind, status: PaymentStatus): PaymentEffect {
  const unpaid = status === 'started' || status === 'declined';
  switch (kind) {
    case 'succeeded':
      return unpaid ? 'pay' : 'none';
    case 'wrong_amount':
      return unpaid ? 'return' : 'none';
    case 'declined':
      return status === 'started' ? 'decline' : 'none';
    case 'refunded':
      return status === 'refunded' ? 'none' : 'refund';
    case 'refund_failed':
      return status === 'refunded' ? 'return' : 'none';
    case 'refund_changed':
      return 'ask';
  }
}

export function newPaymentId(nowMs: number): string {
  return `pay_${newUlid(nowMs)}`;
}
