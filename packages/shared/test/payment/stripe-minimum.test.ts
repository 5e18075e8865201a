import { expect, it } from 'vitest';
import { currencyFormat } from '../../src/platform/config/formats.ts';
import { STRIPE_MINIMUM_CENTS, stripeMinimumCents } from '../../src/payment/stripe-minimum.ts';

it.each([
  ['USD', 50],
  ['EUR', 50],
  ['GBP', 30],
  ['HKD', 400],
  ['CZK', 1_500],
  ['MXN', 1_000],
  // Not in the documentation.
  ['CNY', 30],
])('Stripe charges at least the documented minimum of %s: %i cents', (currency, cents) => {
  expect(stripeMinimumCents(currency)).toBe(cents);
});

it('has minimums only for currencies that CURRENCY may be', () => {
  const currencies = Object.keys(STRIPE_MINIMUM_CENTS);
  expect(currencies.filter((currency) => currencyFormat(currency) === undefined)).toEqual([]);
});
