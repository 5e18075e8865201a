import Stripe from 'stripe';
import { ProviderFault } from './provider.ts';

/** A wait that the provider asks for is kept up to here. */
const RETRY_AFTER_MS_MAX = 600_000;

/**
 * What a failed call of Stripe's API means for us. Stripe keeps the first result of an idempotency key for a day, an error 500 included, once it has begun to
 * carry the call out; it keeps none of a call that it did not let in.
 *
 * @see https://docs.stripe.com/api/idempotent_requests
 */
export function faultOf(error: unknown): unknown {
  if (!(error instanceof Stripe.errors.StripeError)) return error;
  const { statusCode } = error;
  const message = statusCode === undefined ? error.message : `Stripe answers ${statusCode}: ${error.message}`;
  if (statusCode === 401 || statusCode === 403) {
    return new ProviderFault('refused', `${message}. See STRIPE_SECRET_KEY`, { cause: error });
  }
  if (error instanceof Stripe.errors.StripeRateLimitError) {
    const seconds = Number(error.headers?.['retry-after']);
    const retryAfterMs = seconds > 0 ? Math.min(seconds * 1_000, RETRY_AFTER_MS_MAX) : undefined;
    return new ProviderFault('busy', message, { retryAfterMs, cause: error });
  }
  // 409: another call under the same key is under way. Without a status there was no answer of Stripe's, and the call may have been carried out.
  const mayBeKept = statusCode !== undefined && statusCode !== 409;
  return new ProviderFault('failed', message, { mayBeKept, cause: error });
}
