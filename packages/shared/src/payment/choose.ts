import type { Config } from '../platform/config/config.ts';
import type { Db } from '../platform/mysql/client.ts';
import { sharedTokenSecret } from '../seckill-token/token-secrets-table.ts';
import type { PaymentProvider } from './provider.ts';
import { createSandbox } from './sandbox.ts';
import { watched, type WatchedDeps } from './watched.ts';

type PaymentConfig = Pick<
  Config,
  'PAYMENT_PROVIDER' | 'PUBLIC_URL' | 'STOREFRONT' | 'STRIPE_SECRET_KEY' | 'STRIPE_WEBHOOK_SECRET'
>;

/**
 * The payment provider that the configuration names. `publicUrl` is called when it is needed: an
 * api process on any free port knows its URL only after the start.
 */
export async function choosePaymentProvider(
  config: PaymentConfig,
  { db, log, metrics }: WatchedDeps & { readonly db: Db },
  publicUrl: () => string = () => config.PUBLIC_URL,
): Promise<PaymentProvider> {
  const { PUBLIC_URL, STOREFRONT, STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET } = config;
  if (config.PAYMENT_PROVIDER === 'stripe') {
    // Not at the top: Stripe's 218 modules are loaded only by processes that use it.
    const { createStripe } = await import('./stripe.ts');
    const secrets = { secretKey: STRIPE_SECRET_KEY!, webhookSecret: STRIPE_WEBHOOK_SECRET! };
    return watched(createStripe({ ...secrets, publicUrl: PUBLIC_URL, hasStorefront: STOREFRONT }), { log, metrics });
  }
  const secret = await sharedTokenSecret(db);
  const sandbox = createSandbox({
    secret,
    get publicUrl() {
      return publicUrl();
    },
    log,
  });
  return watched(sandbox, { log, metrics });
}
