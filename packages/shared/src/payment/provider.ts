import type { IncomingHttpHeaders } from 'node:http';
import type { Money, Payment, PaymentEvent } from './payment.ts';

/** How a shopper continues to pay. */
export interface StartedPayment {
  /** The provider's own id of the payment. */
  readonly providerRef: string;
  /** The page where the shopper pays. */
  readonly url: string;
}

/** How the start of a payment should behave. Only the sandbox reads it. */
export type SandboxBehaviour = 'pay' | 'decline' | 'late' | 'twice' | 'out_of_order' | 'never';

/**
 * Why a correctly signed webhook contains no payment event, however often it is sent. `other_kind`:
 * about something else; `not_ours`: about a payment of another application; `no_news`: about our
 * payment, but without a relevant change; `unreadable`: in a form that we do not know.
 */
export type Ignored = 'other_kind' | 'not_ours' | 'no_news' | 'unreadable';

export interface RefundEvents {
  readonly events: readonly PaymentEvent[];
  /** Where the next reading begins. */
  readonly cursor: string | undefined;
}

export type Webhook = { readonly event: PaymentEvent } | { readonly ignored: Ignored };

/**
 * The provider's answer about a payment. `open`: it can still be paid. `waiting`: the provider or
 * the bank is processing it.
 */
export type PaymentAnswer =
  | { readonly now: 'open' | 'waiting' | 'declined' | 'refunded' }
  | { readonly now: 'succeeded'; readonly received: Money };

/**
 * A payment provider. Every call may be repeated with the same payment and has one effect. Webhooks
 * report the outcome of a payment; if they do not arrive, the provider is asked.
 *
 * @throws ProviderFault if a call failed
 */
export interface PaymentProvider {
  readonly name: 'sandbox' | 'stripe';
  /** The provider refuses to charge less than so many cents in this currency. */
  minimumCents(currency: string): number;
  /** Starts a payment. A repeat gives the same answer. */
  start(payment: Payment, behaviour?: SandboxBehaviour): Promise<StartedPayment>;
  /**
   * Reads a webhook.
   *
   * @throws Refusal `unauthenticated` if the signature is not the provider's. Any other signed
   * webhook is accepted, since a provider disables an endpoint that refuses its webhooks
   * @throws ProviderFault if the provider had to be asked whose event it is and did not answer. It
   * then sends the event again
   */
  verifyWebhook(body: Buffer, headers: IncomingHttpHeaders): Promise<Webhook>;
  /**
   * Asks for the present state of the payment. If all of its money was refunded, by whomever, the
   * answer is `refunded`, or `waiting` while a refund is under way.
   */
  read(payment: Payment): Promise<PaymentAnswer>;
  /**
   * Reads the provider's events about refunds since `cursor`, or all that it keeps, in case their
   * webhooks were lost. An event may be returned again. Absent if the provider keeps no events.
   */
  refundEvents?(cursor: string | undefined): Promise<RefundEvents>;
  /** Refunds all money that is not being refunded already. */
  refund(payment: Payment): Promise<PaymentAnswer>;
  /**
   * Makes sure that a started payment cannot succeed any more, unless it has already. Never returns
   * `open`.
   */
  expire(payment: Payment): Promise<PaymentAnswer>;
}

/** The providers whose secrets this process has. */
export interface PaymentProviders {
  /** Starts new payments. The others only finish those that they have started. */
  readonly current: PaymentProvider;
  readonly all: readonly PaymentProvider[];
  /** The provider with this name, if its secrets are known. */
  of(name: string): PaymentProvider | undefined;
}

export function paymentProviders(current: PaymentProvider, ...others: readonly PaymentProvider[]): PaymentProviders {
  const all = [current, ...others];
  return { current, all, of: (name) => all.find((provider) => provider.name === name) };
}

/** Whether a text from outside can be an id: characters that its column accepts. */
export const isWireId = (text: unknown, lengthMax: number): text is string =>
  typeof text === 'string' && text.length <= lengthMax && /^[!-~]+$/.test(text);

/**
 * A failed call to the provider. `refused`: the provider denies access, and an operator must fix
 * that; `busy`: too many calls; `unanswered`: no answer of the provider; `failed`: any other
 * reason.
 */
export class ProviderFault extends Error {
  readonly kind: 'refused' | 'busy' | 'unanswered' | 'failed';
  /** Whether the provider may repeat the same answer as long as the idempotency key is the same. */
  readonly mayBeKept: boolean;
  /** How long the provider asks us to wait, if it says so. */
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
