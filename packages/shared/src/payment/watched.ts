import type { Logger } from '../platform/telemetry/logger.ts';
import type { Metrics } from '../platform/telemetry/metrics.ts';
import { ProviderFault, type PaymentProvider } from './provider.ts';

export interface WatchedDeps {
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'paymentCalls'>;
}

/**
 * Wraps a provider and counts its calls. A fault that only an operator can fix is logged once per
 * kind of call, and again if it returns.
 */
export function watched(provider: PaymentProvider, { log, metrics }: WatchedDeps): PaymentProvider {
  /**
   * Kinds of calls that were refused and have not succeeded since: a key may lack some rights only.
   */
  const refused = new Set<string>();
  const watching = async <Result>(call: string, result: Promise<Result>): Promise<Result> => {
    try {
      const answer = await result;
      refused.delete(call);
      metrics.paymentCalls.inc({ call, outcome: 'ok' });
      return answer;
    } catch (error) {
      const kind = error instanceof ProviderFault ? error.kind : 'failed';
      metrics.paymentCalls.inc({ call, outcome: kind });
      if (kind === 'refused' && !refused.has(call)) {
        refused.add(call);
        log.error({ err: error, provider: provider.name }, 'the payment provider denies access');
      }
      throw error;
    }
  };
  return {
    name: provider.name,
    minimumCents: (currency) => provider.minimumCents(currency),
    verifyWebhook: (body, headers) => provider.verifyWebhook(body, headers),
    start: (payment, behaviour) => watching('start', provider.start(payment, behaviour)),
    read: (payment) => watching('look', provider.read(payment)),
    ...(provider.refundEvents && {
      refundEvents: (cursor) => watching('refund_events', provider.refundEvents!(cursor)),
    }),
    refund: (payment) => watching('refund', provider.refund(payment)),
    expire: (payment) => watching('expire', provider.expire(payment)),
  };
}
