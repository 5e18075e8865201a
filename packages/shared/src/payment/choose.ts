import type { Config } from '../config/config.ts';
import type { Db } from '../db/client.ts';
import { sharedTokenSecret } from '../db/token-secrets.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { PaymentProvider } from './provider.ts';
import { createSandbox } from './sandbox.ts';
import { createStripe } from './stripe.ts';

type PaymentConfig = Pick<Config, 'PAYMENT_PROVIDER' | 'PUBLIC_URL' | 'STRIPE_SECRET_KEY' | 'STRIPE_WEBHOOK_SECRET'>;

/** The payment provider that the configuration names. */
export async function choosePaymentProvider(config: PaymentConfig, db: Db, log: Logger): Promise<PaymentProvider> {
  const { PUBLIC_URL: public_url, STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET } = config;
  if (config.PAYMENT_PROVIDER === 'stripe') {
    return createStripe({ secret_key: STRIPE_SECRET_KEY!, webhook_secret: STRIPE_WEBHOOK_SECRET!, public_url });
  }
  return createSandbox({ secret: await sharedTokenSecret(db), public_url, log });
}
