import Stripe from 'stripe';
import { Refusal } from '../domain/errors.ts';
import type { PaymentEvent } from '../domain/payment.ts';
import type { PaymentProvider } from './provider.ts';

/** Checkout's own least time to pay; an order that closes before is expired there by name. */
const SESSION_LIFE_S = 31 * 60;
const TIMEOUT_MS = 5_000;
const RETRIES_MAX = 2;

export interface StripeOptions {
  readonly secret_key: string;
  readonly webhook_secret: string;
  /** Where shoppers come back to. */
  readonly public_url: string;
}

/** Stripe Checkout. @see https://docs.stripe.com/payments/checkout */
export function createStripe({ secret_key, webhook_secret, public_url }: StripeOptions): PaymentProvider {
  const stripe = new Stripe(secret_key, { timeout: TIMEOUT_MS, maxNetworkRetries: RETRIES_MAX });

  return {
    name: 'stripe',
    async start(payment) {
      const { payment_id, order_no, amount_cents, currency } = payment;
      const back = `${public_url}/api/v1/orders/${order_no}`;
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
          metadata: { payment_id },
          // On the intent as well: refunds tell of that, not of the session.
          payment_intent_data: { metadata: { payment_id } },
          success_url: back,
          cancel_url: back,
          expires_at: Math.floor(Date.now() / 1_000) + SESSION_LIFE_S,
        },
        { idempotencyKey: `start-${payment_id}` },
      );
      return { provider_ref: session.id, url: session.url ?? back };
    },

    verifyWebhook(body, headers) {
      const signature = headers['stripe-signature'];
      let event: Stripe.Event;
      try {
        event = stripe.webhooks.constructEvent(body, signature ?? '', webhook_secret);
      } catch (error) {
        throw new Refusal('unauthenticated', { cause: error });
      }
      return paymentEventOf(event);
    },

    async refund({ payment_id, provider_ref }) {
      const session = await stripe.checkout.sessions.retrieve(provider_ref!);
      const intent = typeof session.payment_intent === 'string' ? session.payment_intent : session.payment_intent?.id;
      await stripe.refunds.create(
        { payment_intent: intent!, metadata: { payment_id } },
        { idempotencyKey: `refund-${payment_id}` },
      );
    },

    async expire({ provider_ref }) {
      if (provider_ref === null) return;
      const session = await stripe.checkout.sessions.retrieve(provider_ref);
      if (session.status === 'open') await stripe.checkout.sessions.expire(provider_ref);
    },
  };
}

/** @see https://docs.stripe.com/api/events/types */
function paymentEventOf(event: Stripe.Event): PaymentEvent | undefined {
  const made = (kind: PaymentEvent['kind'], metadata: Stripe.Metadata | null): PaymentEvent | undefined => {
    const payment_id = metadata?.['payment_id'];
    return payment_id === undefined ? undefined : { event_id: event.id, payment_id, kind };
  };
  switch (event.type) {
    case 'checkout.session.completed':
      // Some ways to pay complete the session before the money is there.
      return event.data.object.payment_status === 'paid' ? made('succeeded', event.data.object.metadata) : undefined;
    case 'checkout.session.async_payment_succeeded':
      return made('succeeded', event.data.object.metadata);
    case 'checkout.session.async_payment_failed':
    case 'checkout.session.expired':
      return made('declined', event.data.object.metadata);
    case 'charge.refunded':
      return event.data.object.refunded ? made('refunded', event.data.object.metadata) : undefined;
    default:
      return undefined;
  }
}
