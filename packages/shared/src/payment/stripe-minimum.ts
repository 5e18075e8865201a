/**
 * The smallest amounts that Stripe charges, in cents. Only currencies that CURRENCY may be: those
 * with two decimals.
 *
 * @see https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
 */
export const STRIPE_MINIMUM_CENTS: Readonly<Record<string, number>> = {
  AED: 200,
  AUD: 50,
  BGN: 100,
  BRL: 50,
  CAD: 50,
  CHF: 50,
  CZK: 1_500,
  DKK: 250,
  EUR: 50,
  GBP: 30,
  HKD: 400,
  INR: 50,
  MXN: 1_000,
  MYR: 200,
  NOK: 300,
  NZD: 50,
  PLN: 200,
  RON: 200,
  SEK: 300,
  SGD: 50,
  THB: 1_000,
  USD: 50,
};

/**
 * For other currencies Stripe requires an amount that is worth 0.50 USD. In every currency with two
 * decimals, that is at least 0.30.
 */
const OTHER_MINIMUM_CENTS = 30;

/** Stripe refuses any amount below this. */
export const stripeMinimumCents = (currency: string): number => STRIPE_MINIMUM_CENTS[currency] ?? OTHER_MINIMUM_CENTS;
