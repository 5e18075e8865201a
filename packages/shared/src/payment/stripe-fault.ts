import Stripe from 'stripe';
import { ProviderFault } from './provider.ts';

/** The longest wait that a provider can ask for. */
const RETRY_AFTER_MS_MAX = 600_000;

/**
 * What a failed call of Stripe's API means for us. Stripe stores the first result of an idempotency
 * key for a day, even an error 500, if it has begun to execute the call. It stores nothing of a
 * call that it rejected before that.
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
  // It may have executed the call.
  if (statusCode === undefined) return new ProviderFault('unanswered', message, { cause: error });
  // 409: another call with the same key is in progress.
  return new ProviderFault('failed', message, { mayBeKept: statusCode !== 409, cause: error });
}
