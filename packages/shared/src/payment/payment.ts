import { newUlid } from '../order/order-number.ts';

/**
 * The life of a payment, apart from its order's: money can arrive for an order that is closed already, and then goes back. A declined
 * attempt may still succeed, since providers deliver their events in any order and let a shopper try again.
 *
 *     started → succeeded → refund_pending → refunded
 *     started → declined → succeeded
 *     refunded → refund_pending: the refund did not reach the shopper after all
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

/** Whether the payment may make this move. */
export function canMovePayment(from: PaymentStatus, to: PaymentStatus): boolean {
  return (PAYMENT_TRANSITIONS[from] as readonly PaymentStatus[]).includes(to);
}

/** A payment, as far as providers and callers need it. */
export interface Payment {
  readonly payment_id: string;
  readonly order_no: string;
  readonly product_id: number;
  readonly provider: string;
  readonly provider_ref: string | null;
  readonly url: string | null;
  readonly status: PaymentStatus;
  readonly amount_cents: number;
  /** ISO 4217. */
  readonly currency: string;
  /** Part of the idempotency keys of its calls. */
  readonly key_no: number;
}

/** An amount as providers count it: in the smallest unit of its currency, which is not always a cent. */
export interface Money {
  readonly amount: number;
  /** ISO 4217. */
  readonly currency: string;
}

/** What became of a payment. `wrong_amount`: money came, and it is not what the order costs. */
export type PaymentEventKind = 'succeeded' | 'wrong_amount' | 'declined' | 'refunded' | 'refund_failed';

/** What a provider tells of a payment. */
export interface PaymentEvent {
  /** The provider's own id of the event, by which it is applied once. */
  readonly event_id: string;
  readonly payment_id: string;
  readonly kind: PaymentEventKind;
  /** What came, with `succeeded`. Providers that take money always say it. */
  readonly received?: Money;
}

/**
 * What an event is to do to a payment. `return`: its money goes back, and the order stays as it is. `none`: it is old news. Events come in any order, and
 * one before them may be lost: `refunded` means that money came, and is gone, whatever was known before.
 */
export type PaymentEffect = 'pay' | 'return' | 'decline' | 'refund' | 'none';

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
  }
}

export function newPaymentId(now_ms: number): string {
  return `pay_${newUlid(now_ms)}`;
}
