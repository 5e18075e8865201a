import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import {
  askAgain,
  duePayments,
  endAsking,
  oldestWaitsSeconds,
  renewKey,
  type DuePayment,
} from '@flash-sale/shared/payment/payments-table.ts';
import type { SaleTransactions } from '@flash-sale/shared/order/sale-transactions.ts';
import { ProviderFault, type PaymentAnswer, type PaymentProvider } from '@flash-sale/shared/payment/provider.ts';
import { tellOfPayment } from '@flash-sale/shared/order/payment-events.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';

const INTERVAL_MS = 500;
/**
 * If a payment's state did not change, its provider is asked again after this time, then after
 * twice as long, and so on.
 */
const ASK_AGAIN_MS = 30_000;
const ASK_AGAIN_MS_MAX = 600_000;
/** If this process dies during a call, another one repeats the call after this time. */
const LOST_CALL_MS = 60_000;
/** The number of parallel calls: a provider is slow and limits them. */
const BATCH = 10;
/** How often the ages of waiting payments are read. */
const AGES_EVERY_MS = 15_000;
/** The pause if the provider denies access or reports too many calls. */
const REST_MS = 10_000;

export interface PaymentCallsDeps {
  readonly db: Db;
  readonly provider: PaymentProvider;
  readonly saleTransactions: SaleTransactions;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'payment_events' | 'payment_oldest_seconds'>;
}

/**
 * Payment calls: asks the provider to refund money, to expire open payments of closed orders, and
 * for the outcome of payments without a webhook. The transaction that makes a call due stores that
 * in MySQL, where it stays until the provider reports the end of the payment. One process at a
 * time; if two run at once they ask twice, and the provider answers both as one.
 */
export function paymentCalls(deps: PaymentCallsDeps): Rounds<'payment_calls'> {
  const { db, provider, log, metrics } = deps;
  let restsUntilMs = 0;
  let agesDueMs = 0;

  function ask(payment: DuePayment): Promise<PaymentAnswer> {
    if (payment.provider !== provider.name) {
      throw new Error(`The payment belongs to ${payment.provider}, but PAYMENT_PROVIDER is ${provider.name}`);
    }
    if (payment.status === 'refund_pending') return provider.refund(payment);
    return payment.status === 'started' && payment.payable ? provider.look(payment) : provider.expire(payment);
  }

  async function call(payment: DuePayment): Promise<void> {
    const { payment_id, order_no, status, asks } = payment;
    const nextMs = Math.min(ASK_AGAIN_MS * 2 ** asks, ASK_AGAIN_MS_MAX);
    await askAgain(db, payment, Math.max(nextMs, LOST_CALL_MS), null);
    try {
      const answer = await ask(payment);
      log.info({ payment_id, order_no, status, answer }, 'asked the payment provider');
      if (answer.now === 'open' || answer.now === 'waiting') {
        await askAgain(db, payment, nextMs, null);
        return;
      }
      const { now, ...rest } = answer;
      // A new event id for each refund, since one may fail after it was confirmed.
      const event = { event_id: `asked-${now}-${payment_id}-${payment.key_no}`, payment_id, kind: now, ...rest };
      await tellOfPayment(deps, provider.name, event);
      // For a payment that was already declined here, no call is left.
      if (now === 'declined') await endAsking(db, payment);
    } catch (error) {
      const fault = error instanceof ProviderFault ? error : undefined;
      if (fault !== undefined && fault.kind !== 'failed') {
        restsUntilMs = performance.now() + Math.max(REST_MS, fault.retryAfterMs ?? 0);
      }
      if (fault?.mayBeKept === true) await renewKey(db, payment);
      await askAgain(db, payment, Math.max(nextMs, fault?.retryAfterMs ?? 0), (error as Error).message);
      log.warn({ err: error, payment_id, order_no, status }, 'call to the payment provider failed; retrying later');
    }
  }

  async function tellAges(): Promise<void> {
    if (performance.now() < agesDueMs) return;
    const { refund, answer } = await oldestWaitsSeconds(db);
    showAges(refund, answer);
    agesDueMs = performance.now() + AGES_EVERY_MS;
  }

  function showAges(refund: number, answer: number): void {
    metrics.payment_oldest_seconds.set({ waits_for: 'refund' }, refund);
    metrics.payment_oldest_seconds.set({ waits_for: 'answer' }, answer);
    agesDueMs = 0;
  }

  return {
    name: 'payment_calls',
    interval_ms: INTERVAL_MS,
    async round(stopping) {
      await tellAges();
      while (!stopping.aborted && performance.now() >= restsUntilMs) {
        const due = await duePayments(db, BATCH);
        await Promise.all(due.map(call));
        if (due.length < BATCH) return;
      }
    },
    // A process that does not ask does not know what waits.
    rest: () => showAges(0, 0),
  };
}
