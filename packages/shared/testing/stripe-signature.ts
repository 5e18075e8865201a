import Stripe from 'stripe';

/** The header that Stripe would send with this body, made by Stripe's own library. */
export function signedByStripe(
  payload: string,
  secret: string,
  options: { readonly timestamp?: number } = {},
): { readonly 'stripe-signature': string } {
  return { 'stripe-signature': Stripe.webhooks.generateTestHeaderString({ payload, secret, ...options }) };
}
