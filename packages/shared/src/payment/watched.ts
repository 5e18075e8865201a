import type { Logger } from '../platform/telemetry/logger.ts';
import type { Metrics } from '../platform/telemetry/metrics.ts';
import { ProviderFault, type PaymentProvider } from './provider.ts';

export interface WatchedDeps {
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'payment_calls'>;
}

/**
 * Wraps a provider and counts its calls. A fault that only an operator can fix is logged once, and
 * again if it returns.
 */
export function watched(provider: PaymentProvider, { log, metrics }: WatchedDeps): PaymentProvider {
  let named = false;
  const watching = async <Result>(call: string, result: Promise<Result>): Promise<Result> => {
    try {
      const answer = await result;
      named = false;
      metrics.payment_calls.inc({ call, outcome: 'ok' });
      return answer;
    } catch (error) {
      const kind = error instanceof ProviderFault ? error.kind : 'failed';
      metrics.payment_calls.inc({ call, outcome: kind });
      if (kind === 'refused' && !named) {
        named = true;
        log.error({ err: error, provider: provider.name }, 'the payment provider denies access');
      }
      throw error;
    }
  };
  return {
    name: provider.name,
    verifyWebhook: (body, headers) => provider.verifyWebhook(body, headers),
    start: (payment, behaviour) => watching('start', provider.start(payment, behaviour)),
    look: (payment) => watching('look', provider.look(payment)),
    refund: (payment) => watching('refund', provider.refund(payment)),
    expire: (payment) => watching('expire', provider.expire(payment)),
  };
}
