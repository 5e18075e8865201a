import Stripe from 'stripe';
import { Refusal } from '../platform/errors.ts';
import type { Money, Payment, PaymentEvent, PaymentEventKind } from './payment.ts';
import { isWireId, ProviderFault, type PaymentAnswer, type PaymentProvider, type Webhook } from './provider.ts';
import { faultOf } from './stripe-fault.ts';
import { stripeMinimumCents } from './stripe-minimum.ts';

const TIMEOUT_MS = 5_000;
const RETRIES_MAX = 2;

/**
 * The metadata field in which Stripe stores the payment's id. Other applications of the account use
 * other names.
 */
const OURS = 'flash_sale_payment_id';

/** Events about refunds. Stripe keeps them for 30 days. */
const REFUND_EVENTS = ['charge.refunded', 'refund.failed'];
/** Each reading begins this long before the newest event: events may be listed out of order. */
const EVENTS_OVERLAP_SECONDS = 3_600;

export interface StripeOptions {
  readonly secretKey: string;
  readonly webhookSecret: string;
  /** The page to which shoppers return. */
  readonly publicUrl: string;
  /** Shoppers come back to the storefront's list of their orders; else to the order in JSON. */
  readonly hasStorefront?: boolean | undefined;
  /** The address of Stripe's API. Default: Stripe. */
  readonly api?: Pick<Stripe.StripeConfig, 'host' | 'port' | 'protocol' | 'timeout'>;
}

/** Stripe Checkout. @see https://docs.stripe.com/payments/checkout */
export function createStripe({
  secretKey,
  webhookSecret,
  publicUrl,
  hasStorefront = false,
  api,
}: StripeOptions): PaymentProvider {
  const stripe = new Stripe(secretKey, { timeout: TIMEOUT_MS, maxNetworkRetries: RETRIES_MAX, ...api });

  async function asking<Result>(call: () => Promise<Result>): Promise<Result> {
    try {
      return await call();
    } catch (error) {
      throw faultOf(error);
    }
  }

  /** `succeeded` while any of the money is still with us. */
  async function answerOf(session: Stripe.Checkout.Session): Promise<PaymentAnswer> {
    const received = receivedOf(session);
    if (session.payment_status === 'unpaid' || received === undefined) return unpaidAnswerOf(session);
    const intent = intentOf(session);
    if (intent === undefined || intent.amount_received === 0) return { now: 'succeeded', received };
    const back = backOf(intent, await refundsOf(intent));
    return back === 'none' ? { now: 'succeeded', received } : { now: back };
  }

  async function refundsOf({ id }: Stripe.PaymentIntent): Promise<readonly Stripe.Refund[]> {
    return (await stripe.refunds.list({ payment_intent: id, limit: 100 })).data;
  }

  /** The metadata of a refund. One made by hand has none of ours, but its payment intent has. */
  async function namedOf(refund: Stripe.Refund): Promise<Stripe.Metadata | null> {
    const { metadata, payment_intent: paymentIntent } = refund;
    if (metadata?.[OURS] !== undefined || paymentIntent === null || paymentIntent === undefined) return metadata;
    if (typeof paymentIntent !== 'string') return paymentIntent.metadata;
    try {
      return (await stripe.paymentIntents.retrieve(paymentIntent)).metadata;
    } catch (error) {
      if (error instanceof Stripe.errors.StripeInvalidRequestError && error.code === 'resource_missing') return null;
      throw faultOf(error);
    }
  }

  async function webhookOf(event: Stripe.Event): Promise<Webhook> {
    try {
      return event.type === 'refund.failed'
        ? eventOf(event, 'refund_changed', await namedOf(event.data.object))
        : plainWebhookOf(event);
    } catch (error) {
      if (error instanceof ProviderFault) throw error;
      return { ignored: 'unreadable' };
    }
  }

  const retrieve = (ref: string): Promise<Stripe.Checkout.Session> =>
    stripe.checkout.sessions.retrieve(ref, { expand: ['payment_intent'] });

  return {
    name: 'stripe',
    minimumCents: stripeMinimumCents,
    start(payment) {
      const { paymentId, orderNo, amountCents, currency, keyNo } = payment;
      const back = hasStorefront ? `${publicUrl}/orders` : `${publicUrl}/api/v1/orders/${orderNo}`;
      const metadata = { [OURS]: paymentId };
      return asking(async () => {
        // No parameter may depend on the time: Stripe rejects a repeated key with other parameters.
        // So the session has no expiry of ours, also because Stripe's minimum may be longer than
        // the time to pay. When an order closes, its session is expired by an explicit call.
        const session = await stripe.checkout.sessions.create(
          {
            mode: 'payment',
            client_reference_id: orderNo,
            line_items: [
              {
                quantity: 1,
                price_data: {
                  currency: currency.toLowerCase(),
                  unit_amount: amountCents,
                  product_data: { name: `Order ${orderNo}` },
                },
              },
            ],
            metadata,
            // Put it on the intent as well: events of refunds name the intent, not the session.
            payment_intent_data: { metadata },
            success_url: back,
            cancel_url: back,
          },
          { idempotencyKey: `start-${paymentId}-${keyNo}` },
        );
        return { providerRef: session.id, url: session.url ?? back };
      });
    },

    async verifyWebhook(body, headers) {
      let event: Stripe.Event;
      try {
        event = stripe.webhooks.constructEvent(body, headers['stripe-signature'] ?? '', webhookSecret);
      } catch (error) {
        const isForged = error instanceof Stripe.errors.StripeSignatureVerificationError;
        if (isForged) throw new Refusal('unauthenticated', { cause: error });
        return { ignored: 'unreadable' };
      }
      return webhookOf(event);
    },

    read: ({ providerRef }) => asking(async () => answerOf(await retrieve(nameOf(providerRef)))),

    refundEvents(cursor) {
      return asking(async () => {
        const events: PaymentEvent[] = [];
        let newest = cursor === undefined ? undefined : Number(cursor);
        const created = newest === undefined ? {} : { created: { gte: newest - EVENTS_OVERLAP_SECONDS } };
        for await (const event of stripe.events.list({ types: REFUND_EVENTS, limit: 100, ...created })) {
          newest = Math.max(newest ?? 0, event.created);
          const webhook = await webhookOf(event);
          if ('event' in webhook) events.push(webhook.event);
        }
        return { events, cursor: newest === undefined ? undefined : String(newest) };
      });
    },

    refund(payment) {
      const { paymentId, providerRef, keyNo } = payment;
      return asking(async () => {
        const session = await retrieve(nameOf(providerRef));
        const intent = intentOf(session);
        // There was nothing to pay.
        if (intent === undefined) return { now: 'refunded' };
        // Do not refund again what is already being refunded, by us or by anybody else.
        const listed = await refundsOf(intent);
        const back = backOf(intent, listed);
        if (back !== 'none') return { now: back };
        // Stripe repeats the first answer for a known key, even after that refund has failed. So
        // each failure needs a new key.
        const failures = listed.filter((refund) => !isStanding(refund)).length;
        const key = `refund-${paymentId}-${keyNo}${failures === 0 ? '' : `-${failures}`}`;
        // No amount: Stripe then refunds the rest, and itself rejects a second refund of the same
        // money.
        const refund = await stripe.refunds.create(
          { payment_intent: intent.id, metadata: { [OURS]: paymentId } },
          { idempotencyKey: key },
        );
        return { now: refund.status === 'succeeded' ? 'refunded' : 'waiting' };
      });
    },

    expire({ providerRef }) {
      // The shopper never got a page to pay on.
      if (providerRef === null) return Promise.resolve({ now: 'declined' });
      return asking(async () => {
        const session = await retrieve(providerRef);
        if (session.status !== 'open') return answerOf(session);
        try {
          return answerOf(await stripe.checkout.sessions.expire(providerRef, { expand: ['payment_intent'] }));
        } catch (error) {
          // The session was completed after we read it, so it cannot be expired any more.
          if (!(error instanceof Stripe.errors.StripeInvalidRequestError)) throw error;
          const now = await retrieve(providerRef);
          if (now.status === 'open') throw error;
          return answerOf(now);
        }
      });
    },
  };
}

function nameOf(ref: Payment['providerRef']): string {
  if (ref === null) throw new Error('Stripe has no session for this payment');
  return ref;
}

/** The intent of a session that was retrieved with it. */
function intentOf({ payment_intent: paymentIntent }: Stripe.Checkout.Session): Stripe.PaymentIntent | undefined {
  return typeof paymentIntent === 'string' ? undefined : (paymentIntent ?? undefined);
}

const isStanding = ({ status }: Stripe.Refund): boolean => status !== 'failed' && status !== 'canceled';

/**
 * Whether all that an intent received was refunded, or is being refunded. Only the present state of
 * the refunds counts: one that has arrived may fail later.
 */
function backOf({ amount_received: amountReceived }: Stripe.PaymentIntent, refunds: readonly Stripe.Refund[]) {
  const sumOf = (some: readonly Stripe.Refund[]): number => some.reduce((sum, { amount }) => sum + amount, 0);
  if (sumOf(refunds.filter(({ status }) => status === 'succeeded')) >= amountReceived) return 'refunded';
  return sumOf(refunds.filter(isStanding)) >= amountReceived ? 'waiting' : 'none';
}

function unpaidAnswerOf(session: Stripe.Checkout.Session): PaymentAnswer {
  if (session.status === 'open') return { now: 'open' };
  if (session.status === 'expired') return { now: 'declined' };
  // A session can be complete before the money arrives: some payment methods take days and may
  // fail.
  const status = intentOf(session)?.status;
  return { now: status === 'canceled' || status === 'requires_payment_method' ? 'declined' : 'waiting' };
}

function receivedOf({ amount_total: amountTotal, currency }: Stripe.Checkout.Session): Money | undefined {
  if (amountTotal === null || currency === null) return undefined;
  return { amount: amountTotal, currency: currency.toUpperCase() };
}

function eventOf(
  { id }: Pick<Stripe.Event, 'id'>,
  kind: PaymentEventKind,
  metadata: Stripe.Metadata | null,
  rest: Pick<PaymentEvent, 'received'> = {},
): Webhook {
  const paymentId = metadata?.[OURS];
  if (paymentId === undefined) return { ignored: 'not_ours' };
  if (!isWireId(paymentId, 32) || !isWireId(id, 255)) return { ignored: 'unreadable' };
  return { event: { eventId: id, paymentId, kind, ...rest } };
}

/**
 * The meaning of an event that names its payment. @see https://docs.stripe.com/api/events/types
 */
function plainWebhookOf(event: Stripe.Event): Webhook {
  const paid = (session: Stripe.Checkout.Session): Webhook => {
    const received = receivedOf(session);
    const webhook = eventOf(event, 'succeeded', session.metadata, received && { received });
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
      return eventOf(event, 'declined', event.data.object.metadata);
    case 'charge.refunded':
      return unless(event.data.object.refunded, eventOf(event, 'refund_changed', event.data.object.metadata));
    default:
      return { ignored: typeof (event as { type: unknown }).type === 'string' ? 'other_kind' : 'unreadable' };
  }
}
