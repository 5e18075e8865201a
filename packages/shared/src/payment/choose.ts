import type { Config } from '../platform/config/config.ts';
import type { Db } from '../platform/mysql/client.ts';
import { sharedTokenSecret } from '../seckill-token/token-secrets-table.ts';
import { providersToAsk } from './payment-calls-table.ts';
import { paymentProviders, type PaymentProvider, type PaymentProviders } from './provider.ts';
import { createSandbox } from './sandbox.ts';
import { watched, type WatchedDeps } from './watched.ts';

type PaymentConfig = Pick<
  Config,
  'PAYMENT_PROVIDER' | 'PUBLIC_URL' | 'STOREFRONT' | 'STRIPE_SECRET_KEY' | 'STRIPE_WEBHOOK_SECRET'
>;

/**
 * The payment provider that the configuration names, and the others whose secrets it has: they end
 * and refund the payments from the time before PAYMENT_PROVIDER was changed. `publicUrl` is called
 * when it is needed: an api process on any free port knows its URL only after the start.
 */
export async function choosePaymentProviders(
  config: PaymentConfig,
  deps: WatchedDeps & { readonly db: Db },
  publicUrl: () => string = () => config.PUBLIC_URL,
): Promise<PaymentProviders> {
  const { db, log } = deps;
  const stripe = await stripeOf(config, deps);
  const secret = await sharedTokenSecret(db);
  const sandbox = createSandbox({
    secret,
    get publicUrl() {
      return publicUrl();
    },
    log,
  });
  const all = [watched(sandbox, deps), ...(stripe === undefined ? [] : [stripe])];
  const current = all.find(({ name }) => name === config.PAYMENT_PROVIDER)!;
  const providers = paymentProviders(current, ...all.filter((provider) => provider !== current));
  for (const name of await providersToAsk(db)) {
    if (providers.of(name) !== undefined) continue;
    log.error(
      { provider: name },
      'payments are open or to be refunded at a provider whose secrets are not set: set them again, beside PAYMENT_PROVIDER',
    );
  }
  return providers;
}

async function stripeOf(config: PaymentConfig, deps: WatchedDeps): Promise<PaymentProvider | undefined> {
  const { PUBLIC_URL, STOREFRONT, STRIPE_SECRET_KEY: secretKey, STRIPE_WEBHOOK_SECRET: webhookSecret } = config;
  if (secretKey === undefined || webhookSecret === undefined) return undefined;
  // Not at the top: Stripe's 218 modules are loaded only by processes that use it.
  const { createStripe } = await import('./stripe.ts');
  return watched(createStripe({ secretKey, webhookSecret, publicUrl: PUBLIC_URL, hasStorefront: STOREFRONT }), deps);
}
