import Stripe from 'stripe';
import { Refusal } from '../domain/errors.ts';
import type { PaymentEvent } from '../domain/payment.ts';
import type { PaymentProvider } from './provider.ts';

const TIMEOUT_MS = 5_000;
const RETRIES_MAX = 2;

export interface StripeOptions {
  readonly secret_key: string;
  readonly webhook_secret: string;
  /** Where shoppers come back to. */
  readonly public_url: string;
  /** Where Stripe's API is. Default: Stripe. */
  readonly api?: Pick<Stripe.StripeConfig, 'host' | 'port' | 'protocol'>;
}

/** Stripe Checkout. @see https://docs.stripe.com/payments/checkout */
export function createStripe({ secret_key, webhook_secret, public_url, api }: StripeOptions): PaymentProvider {
  const stripe = new Stripe(secret_key, { timeout: TIMEOUT_MS, maxNetworkRetries: RETRIES_MAX, ...api });

  return {
    name: 'stripe',
    async start(payment) {
      const { payment_id, order_no, amount_cents, currency } = payment;
      const back = `${public_url}/api/v1/orders/${order_no}`;
      // Nothing here depends on the time, since Stripe refuses a repeated key with other parameters. A session's own life has a minimum
      // that may be longer than the time to pay, so it has none of ours: an order that closes has it expired by name.
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
        },
        { idempotencyKey: `start-${payment_id}` },
      );
      return { provider_ref: session.id, url: session.url ?? back };
    },

    verifyWebhook(body, headers) {
      const signature = headers['stripe-signature'];
      try {
        return paymentEventOf(stripe.webhooks.constructEvent(body, signature ?? '', webhook_secret));
      } catch (error) {
        const isForged = error instanceof Stripe.errors.StripeSignatureVerificationError;
        throw new Refusal(isForged ? 'unauthenticated' : 'invalid_request', { cause: error });
      }
    },

    async refund({ payment_id, provider_ref }) {
      const session = await stripe.checkout.sessions.retrieve(provider_ref!);
      const intent = typeof session.payment_intent === 'string' ? session.payment_intent : session.payment_intent?.id;
      const refund = { payment_intent: intent!, metadata: { payment_id } };
      try {
        await stripe.refunds.create(refund, { idempotencyKey: `refund-${payment_id}` });
      } catch (error) {
        // By an earlier call whose key Stripe has forgotten, or by hand: its event confirms it.
        if ((error as Stripe.errors.StripeError).code !== 'charge_already_refunded') throw error;
      }
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
