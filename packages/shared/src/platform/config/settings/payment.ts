import { currencyFormat, matching } from '../formats.ts';
import { text, count, secret, optional, choice } from '../setting-kinds.ts';

/** Settings of payments. */
export const paymentSettings = {
  PAYMENT_PROVIDER: optional(
    choice(['sandbox', 'stripe'], {
      description:
        'Who takes the money. Set `stripe` to take real money. Default: `sandbox`, which takes none; production must name one',
    }),
  ),
  PAYMENT_TIMEOUT_SECONDS: count(
    'Time to pay after the order is written, s. Lower it to sell unpaid units again sooner',
    900,
    1,
    604_800,
  ),
  CURRENCY: text('ISO 4217 code of all prices, of a currency with two decimals. Set it to the currency of your shop', {
    default: 'CNY',
    read: currencyFormat,
    wanted: 'three capital letters of ISO 4217, of a currency that is divided into a hundred',
    example: 'EUR',
  }),
  STRIPE_SECRET_KEY: optional(
    secret('API key of Stripe. Set it if Stripe takes the money, or did before `PAYMENT_PROVIDER` was changed', {
      read: matching(/^[\x21-\x7e]+$/),
      wanted: 'visible ASCII characters without blanks',
      example: 'sk_live_…, from Stripe’s dashboard',
    }),
  ),
  STRIPE_WEBHOOK_SECRET: optional(
    secret('Signing secret of the webhooks of Stripe. Set it if `STRIPE_SECRET_KEY` is set', {
      read: matching(/^[\x21-\x7e]+$/),
      wanted: 'visible ASCII characters without blanks',
      example: 'whsec_…, from Stripe’s dashboard',
    }),
  ),
};
