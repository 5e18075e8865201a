import type { IncomingHttpHeaders } from 'node:http';
import type { Payment, PaymentEvent } from '../domain/payment.ts';

/** What a shopper does next to pay. */
export interface StartedPayment {
  /** The provider's own name of the payment. */
  readonly provider_ref: string;
  /** Where the shopper pays. */
  readonly url: string;
}

/** How a start is to go; only the sandbox listens. */
export type SandboxBehaviour = 'pay' | 'decline' | 'late' | 'twice' | 'out_of_order' | 'never';

/**
 * Somebody who takes money. Every call may be repeated with the same payment and has one effect. What became of a payment is told by webhooks
 * alone, so that there is one way in which an order gets paid.
 */
export interface PaymentProvider {
  readonly name: 'sandbox' | 'stripe';
  /** Starts a payment. Repeated, it answers the same. */
  start(payment: Payment, behaviour?: SandboxBehaviour): Promise<StartedPayment>;
  /**
   * The event that a webhook carries, or undefined where it is about something else.
   *
   * @throws Refusal `unauthenticated` where the signature is not the provider's
   */
  verifyWebhook(body: Buffer, headers: IncomingHttpHeaders): PaymentEvent | undefined;
  /** Gives the money back. The provider confirms by an event. */
  refund(payment: Payment): Promise<void>;
  /** Makes sure that a payment that was started cannot succeed any more, where the provider can do that. */
  expire(payment: Payment): Promise<void>;
}
