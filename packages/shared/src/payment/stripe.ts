import Stripe from 'stripe';
import { Refusal } from '../platform/errors.ts';
import type { Money, Payment, PaymentEvent, PaymentEventKind } from './payment.ts';
import { isWireId, type PaymentAnswer, type PaymentProvider, type Webhook } from './provider.ts';
import { faultOf } from './stripe-fault.ts';

const TIMEOUT_MS = 5_000;
const RETRIES_MAX = 2;

/**
 * The metadata field in which Stripe stores the payment's id. Other applications of the account use
 * other names.
 */
const OURS = 'flash_sale_payment_id';

export interface StripeOptions {
  readonly secret_key: string;
  readonly webhook_secret: string;
  /** The page to which shoppers return. */
  readonly public_url: string;
  /** The address of Stripe's API. Default: Stripe. */
  readonly api?: Pick<Stripe.StripeConfig, 'host' | 'port' | 'protocol' | 'timeout'>;
}

/** Stripe Checkout. @see https://docs.stripe.com/payments/checkout */
export function createStripe({ secret_key, webhook_secret, public_url, api }: StripeOptions): PaymentProvider {
  const stripe = new Stripe(secret_key, { timeout: TIMEOUT_MS, maxNetworkRetries: RETRIES_MAX, ...api });

  async function asking<Result>(call: () => Promise<Result>): Promise<Result> {
    try {
      return await call();
    } catch (error) {
      throw faultOf(error);
    }
  }

  const retrieve = (ref: string): Promise<Stripe.Checkout.Session> =>
    stripe.checkout.sessions.retrieve(ref, { expand: ['payment_intent'] });

  return {
    name: 'stripe',
    start(payment) {
      const { payment_id, order_no, amount_cents, currency, key_no } = payment;
      const back = `${public_url}/api/v1/orders/${order_no}`;
      const metadata = { [OURS]: payment_id };
      return asking(async () => {
        // No parameter may depend on the time: Stripe rejects a repeated key with other parameters.
        // So the session has no expiry of ours, also because Stripe's minimum may be longer than
        // the time to pay. When an order closes, its session is expired by an explicit call.
        const session = await stripe.checkout.sessions.create(
          {
            mode: 'payment',
            client_reference_id: order_no,
            line_items: [
              {
                quantity: 1,
                price_data: {
                  currency: currency.toLowerCase(),
                  unit_amount: amount_cents,
                  product_data: { name: `Order ${order_no}` },
                },
              },
            ],
            metadata,
            // Put it on the intent as well: events of refunds name the intent, not the session.
            payment_intent_data: { metadata },
            success_url: back,
            cancel_url: back,
          },
          { idempotencyKey: `start-${payment_id}-${key_no}` },
        );
        return { provider_ref: session.id, url: session.url ?? back };
      });
    },

    verifyWebhook(body, headers) {
      let event: Stripe.Event;
      try {
        event = stripe.webhooks.constructEvent(body, headers['stripe-signature'] ?? '', webhook_secret);
      } catch (error) {
        const isForged = error instanceof Stripe.errors.StripeSignatureVerificationError;
        if (isForged) throw new Refusal('unauthenticated', { cause: error });
        return { ignored: 'unreadable' };
      }
      try {
        return webhookOf(event);
      } catch {
        return { ignored: 'unreadable' };
      }
    },

    look: ({ provider_ref }) => asking(async () => answerOf(await retrieve(nameOf(provider_ref)))),

    refund(payment) {
      const { payment_id, provider_ref, key_no } = payment;
      return asking(async () => {
        const session = await retrieve(nameOf(provider_ref));
        const intent = intentOf(session);
        // There was nothing to pay.
        if (intent === undefined) return { now: 'refunded' };
        // Do not refund again what is already being refunded, by us or by anybody else.
        const listed = await stripe.refunds.list({ payment_intent: intent.id, limit: 100 });
        const standing = listed.data.filter(({ status }) => status !== 'failed' && status !== 'canceled');
        const sumOf = (refunds: readonly Stripe.Refund[]) => refunds.reduce((sum, { amount }) => sum + amount, 0);
        const arrived = standing.filter(({ status }) => status === 'succeeded');
        if (sumOf(arrived) >= intent.amount_received) return { now: 'refunded' };
        if (sumOf(standing) >= intent.amount_received) return { now: 'waiting' };
        // Stripe repeats the first answer for a known key, even after that refund has failed. So
        // each failure needs a new key.
        const failures = listed.data.length - standing.length;
        const key = `refund-${payment_id}-${key_no}${failures === 0 ? '' : `-${failures}`}`;
        // No amount: Stripe then refunds the rest, and itself rejects a second refund of the same
        // money.
        const refund = await stripe.refunds.create(
          { payment_intent: intent.id, metadata: { [OURS]: payment_id } },
          { idempotencyKey: key },
        );
        return { now: refund.status === 'succeeded' ? 'refunded' : 'waiting' };
      });
    },

    expire({ provider_ref }) {
      // The shopper never got a page to pay on.
      if (provider_ref === null) return Promise.resolve({ now: 'declined' });
      return asking(async () => {
        const session = await retrieve(provider_ref);
        if (session.status !== 'open') return answerOf(session);
        try {
          return answerOf(await stripe.checkout.sessions.expire(provider_ref, { expand: ['payment_intent'] }));
        } catch (error) {
          // The session was completed after we looked, so it cannot be expired any more.
          if (!(error instanceof Stripe.errors.StripeInvalidRequestError)) throw error;
          const now = await retrieve(provider_ref);
          if (now.status === 'open') throw error;
          return answerOf(now);
        }
      });
    },
  };
}

function nameOf(ref: Payment['provider_ref']): string {
  if (ref === null) throw new Error('Stripe has no session for this payment');
  return ref;
}

/** The intent of a session that was retrieved with it. */
function intentOf({ payment_intent }: Stripe.Checkout.Session): Stripe.PaymentIntent | undefined {
  return typeof payment_intent === 'string' ? undefined : (payment_intent ?? undefined);
}

function answerOf(session: Stripe.Checkout.Session): PaymentAnswer {
  const received = receivedOf(session);
  if (session.payment_status !== 'unpaid' && received !== undefined) return { now: 'succeeded', received };
  if (session.status === 'open') return { now: 'open' };
  if (session.status === 'expired') return { now: 'declined' };
  // A session can be complete before the money arrives: some payment methods take days and may
  // fail.
  const status = intentOf(session)?.status;
  return { now: status === 'canceled' || status === 'requires_payment_method' ? 'declined' : 'waiting' };
}

function receivedOf({ amount_total, currency }: Stripe.Checkout.Session): Money | undefined {
  if (amount_total === null || currency === null) return undefined;
  return { amount: amount_total, currency: currency.toUpperCase() };
}

/** @see https://docs.stripe.com/api/events/types */
function webhookOf(event: Stripe.Event): Webhook {
  const told = (
    kind: PaymentEventKind,
    metadata: Stripe.Metadata | null,
    rest: Pick<PaymentEvent, 'received'> = {},
  ) => {
    const payment_id = metadata?.[OURS];
    if (payment_id === undefined) return { ignored: 'not_ours' } as const;
    if (!isWireId(payment_id, 32) || !isWireId(event.id, 255)) return { ignored: 'unreadable' } as const;
    return { event: { event_id: event.id, payment_id, kind, ...rest } };
  };
  const paid = (session: Stripe.Checkout.Session): Webhook => {
    const received = receivedOf(session);
    const webhook = told('succeeded', session.metadata, received && { received });
    return 'event' in webhook && received === undefined ? { ignored: 'unreadable' } : webhook;
  };
  const unless = (isNews: boolean, webhook: Webhook): Webhook =>
    isNews || 'ignored' in webhook ? webhook : { ignored: 'no_news' };

  switch (event.type) {
    case 'checkout.session.completed':
      // With some payment methods the session is complete before the money arrives.
      return unless(event.data.object.payment_status !== 'unpaid', paid(event.data.object));
    case 'checkout.session.async_payment_succeeded':
      return paid(event.data.object);
    case 'checkout.session.async_payment_failed':
    case 'checkout.session.expired':
      return told('declined', event.data.object.metadata);
    case 'charge.refunded':
      return unless(event.data.object.refunded, told('refunded', event.data.object.metadata));
    case 'refund.failed':
      return told('refund_failed', event.data.object.metadata);
    default:
      return { ignored: typeof (event as { type: unknown }).type === 'string' ? 'other_kind' : 'unreadable' };
  }
}
