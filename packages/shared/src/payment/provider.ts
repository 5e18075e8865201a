import type { IncomingHttpHeaders } from 'node:http';
import type { Money, Payment, PaymentEvent } from './payment.ts';

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
 * Why a webhook with the right signature tells nothing of a payment, however often it is sent. `other_kind`: of something else; `not_ours`: of a payment that
 * another application made; `no_news`: of a payment of ours to which nothing has happened that counts; `unreadable`: in words that we do not know.
 */
export type Ignored = 'other_kind' | 'not_ours' | 'no_news' | 'unreadable';

export type Webhook = { readonly event: PaymentEvent } | { readonly ignored: Ignored };

/** What the provider says of a payment when it is asked. `open`: it can be paid yet. `waiting`: the provider is at work on it, or the bank. */
export type PaymentAnswer =
  | { readonly now: 'open' | 'waiting' | 'declined' | 'refunded' }
  | { readonly now: 'succeeded'; readonly received: Money };

/**
 * Somebody who takes money. Every call may be repeated with the same payment and has one effect. What became of a payment is told by webhooks, and
 * asked for where they do not come.
 *
 * @throws ProviderFault where a call did not do what it should
 */
export interface PaymentProvider {
  readonly name: 'sandbox' | 'stripe';
  /** Starts a payment. Repeated, it answers the same. */
  start(payment: Payment, behaviour?: SandboxBehaviour): Promise<StartedPayment>;
  /**
   * What a webhook tells.
   *
   * @throws Refusal `unauthenticated` if the signature is not the provider's; anything else that is signed is never refused, since a provider gives
   * up an endpoint that refuses what it sends
   */
  verifyWebhook(body: Buffer, headers: IncomingHttpHeaders): Webhook;
  /** What became of the payment. */
  look(payment: Payment): Promise<PaymentAnswer>;
  /** Gives all of the money back that is not on its way back already. */
  refund(payment: Payment): Promise<PaymentAnswer>;
  /** Makes sure that a payment that was started cannot succeed any more, if it has not; never answers `open`. */
  expire(payment: Payment): Promise<PaymentAnswer>;
}

/** Whether text from elsewhere can be an id: bytes that its column takes. */
export const isWireId = (text: unknown, lengthMax: number): text is string =>
  typeof text === 'string' && text.length <= lengthMax && /^[!-~]+$/.test(text);

/**
 * A call that the provider did not do. `refused`: it does not let us in, and an operator has to mend that; `busy`: too many calls; `failed`: anything else.
 */
export class ProviderFault extends Error {
  readonly kind: 'refused' | 'busy' | 'failed';
  /** Whether the provider may answer the same for as long as the idempotency key is the same. */
  readonly mayBeKept: boolean;
  /** How long the provider wants to be left alone, as far as it says so. */
  readonly retryAfterMs: number | undefined;

  constructor(
    kind: ProviderFault['kind'],
    message: string,
    options: {
      readonly mayBeKept?: boolean;
      readonly retryAfterMs?: number | undefined;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'ProviderFault';
    this.kind = kind;
    this.mayBeKept = options.mayBeKept ?? false;
    this.retryAfterMs = options.retryAfterMs;
  }
}
