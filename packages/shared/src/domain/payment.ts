import { newUlid } from './order-number.ts';

/**
 * The life of a payment, apart from its order's: money can arrive for an order that is closed already, and then goes back. A declined
 * attempt may still succeed, since providers deliver their events in any order and let a shopper try again.
 *
 *     started → succeeded → refund_pending → refunded
 *     started → declined → succeeded
 */
export const PAYMENT_TRANSITIONS = {
  started: ['succeeded', 'declined'],
  declined: ['succeeded'],
  succeeded: ['refund_pending'],
  refund_pending: ['refunded'],
  refunded: [],
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
}

/** What a provider tells of a payment. */
export interface PaymentEvent {
  /** The provider's own id of the event, by which it is applied once. */
  readonly event_id: string;
  readonly payment_id: string;
  readonly kind: 'succeeded' | 'declined' | 'refunded';
}

/** What an event is to do to a payment. `none`: it is old news. `early`: it builds on an event that has not come yet. */
export type PaymentEffect = 'pay' | 'decline' | 'refund' | 'none' | 'early';

export function effectOf(kind: PaymentEvent['kind'], status: PaymentStatus): PaymentEffect {
  switch (kind) {
    case 'succeeded':
      return status === 'started' || status === 'declined' ? 'pay' : 'none';
    case 'declined':
      return status === 'started' ? 'decline' : 'none';
    case 'refunded':
      if (status === 'refunded') return 'none';
      return status === 'succeeded' || status === 'refund_pending' ? 'refund' : 'early';
  }
}

export function newPaymentId(now_ms: number): string {
  return `pay_${newUlid(now_ms)}`;
}
