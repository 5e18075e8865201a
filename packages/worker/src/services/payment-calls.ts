import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { appliedEvents } from '@flash-sale/shared/payment/payment-events-table.ts';
import {
  askAgain,
  beginAsking,
  duePayments,
  endAsking,
  oldestWaitsMs,
  renewKey,
  type DuePayment,
} from '@flash-sale/shared/payment/payment-calls-table.ts';
import type { SaleTransactions } from '@flash-sale/shared/order-moves/sale-transactions.ts';
import type { PaymentEvent } from '@flash-sale/shared/payment/payment.ts';
import {
  ProviderFault,
  type PaymentAnswer,
  type PaymentProvider,
  type PaymentProviders,
} from '@flash-sale/shared/payment/provider.ts';
import { receivePaymentEvent } from '@flash-sale/shared/order-moves/payment-events.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { WaitingAge } from './waiting-age.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';
import { Silence } from './outage.ts';

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
/**
 * How often the provider's own list of events is read, in case a webhook about a refund was lost.
 */
const READ_REFUNDS_EVERY_MS = 600_000;
const EVENTS_AT_ONCE = 500;
/** The pause if the provider denies access or reports too many calls. */
const REST_MS = 10_000;

export interface PaymentCallsDeps {
  readonly db: Db;
  readonly providers: PaymentProviders;
  readonly saleTransactions: SaleTransactions;
  /**
   * After this time without an answer of the provider another process tries. Tests set it lower.
   */
  readonly silenceMsMax?: number;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'paymentEvents' | 'paymentOldestSeconds'>;
}

/**
 * Payment calls: asks the provider to refund money, to expire open payments of closed orders, and
 * for the outcome of payments without a webhook. The transaction that makes a call due stores that
 * in MySQL, where it stays until the provider reports the end of the payment. One process at a
 * time; if two run at once they ask twice, and the provider answers both as one.
 */
export function paymentCalls(deps: PaymentCallsDeps): Rounds<'payment_calls'> {
  const { db, providers, log, metrics } = deps;
  let restsUntilMs = 0;
  let agesDueMs = 0;
  let refundsDueMs = 0;
  const refundAge = new WaitingAge();
  const answerAge = new WaitingAge();
  const silence = new Silence(deps.silenceMsMax);
  /** The position up to which each provider's events about refunds were read. */
  const refundCursors = new Map<string, string | undefined>();

  function ask(payment: DuePayment): Promise<PaymentAnswer> {
    const provider = providers.of(payment.provider);
    if (provider === undefined) throw new Error(`The payment belongs to ${payment.provider}: set its secrets again`);
    if (payment.status === 'refund_pending') return provider.refund(payment);
    const mayBePaid = payment.status === 'started' || payment.status === 'declined';
    const isToEnd = mayBePaid && !(payment.status === 'started' && payment.payable);
    return isToEnd ? provider.expire(payment) : provider.read(payment);
  }

  async function call(payment: DuePayment): Promise<void> {
    const { paymentId, orderNo, status, asks } = payment;
    const nextMs = Math.min(ASK_AGAIN_MS * 2 ** asks, ASK_AGAIN_MS_MAX);
    await beginAsking(db, payment, Math.max(nextMs, LOST_CALL_MS));
    try {
      const answer = await ask(payment);
      silence.answered();
      log.info({ payment_id: paymentId, order_no: orderNo, status, answer }, 'asked the payment provider');
      if (answer.now === 'open' || answer.now === 'waiting') {
        await askAgain(db, payment, nextMs, null);
        return;
      }
      const event = newsOf(payment, answer);
      if (event !== undefined) await receivePaymentEvent(deps, payment.provider, event);
      // No call is left for a payment that has not changed, or that was already declined here.
      if (event === undefined || event.kind === 'declined') await endAsking(db, payment);
    } catch (error) {
      const fault = error instanceof ProviderFault ? error : undefined;
      if (fault?.kind === 'unanswered') silence.unanswered(fault);
      else if (fault !== undefined) silence.answered();
      if (fault?.kind === 'refused' || fault?.kind === 'busy') {
        restsUntilMs = performance.now() + Math.max(REST_MS, fault.retryAfterMs ?? 0);
      }
      if (fault?.mayBeKept === true) await renewKey(db, payment);
      await askAgain(db, payment, Math.max(nextMs, fault?.retryAfterMs ?? 0), (error as Error).message);
      log.warn(
        { err: error, payment_id: paymentId, order_no: orderNo, status },
        'call to the payment provider failed; retrying later',
      );
    }
  }

  /** Applies refunds whose webhooks were lost. An event that was applied before changes nothing. */
  async function readRefunds(): Promise<void> {
    if (performance.now() < refundsDueMs) return;
    refundsDueMs = performance.now() + READ_REFUNDS_EVERY_MS;
    for (const provider of providers.all) await readRefundsOf(provider);
  }

  async function readRefundsOf(provider: PaymentProvider): Promise<void> {
    if (provider.refundEvents === undefined) return;
    try {
      const { events, cursor } = await provider.refundEvents(refundCursors.get(provider.name));
      for (let from = 0; from < events.length; from += EVENTS_AT_ONCE) {
        const some = events.slice(from, from + EVENTS_AT_ONCE);
        const ids = some.map(({ eventId }) => eventId);
        const known = await appliedEvents(db, provider.name, ids);
        for (const event of some) if (!known.has(event.eventId)) await receivePaymentEvent(deps, provider.name, event);
      }
      refundCursors.set(provider.name, cursor);
    } catch (error) {
      log.warn({ err: error }, 'could not read the refunds of the payment provider; retrying later');
    }
  }

  async function refreshAges(): Promise<void> {
    if (performance.now() < agesDueMs) return;
    const { refund, answer } = await oldestWaitsMs(db);
    showAges(refundAge.ofMs(refund), answerAge.ofMs(answer));
    agesDueMs = performance.now() + AGES_EVERY_MS;
  }

  function showAges(refundMs: number, answerMs: number): void {
    metrics.paymentOldestSeconds.set({ waits_for: 'refund' }, refundMs / 1_000);
    metrics.paymentOldestSeconds.set({ waits_for: 'answer' }, answerMs / 1_000);
    agesDueMs = 0;
  }

  return {
    name: 'payment_calls',
    intervalMs: INTERVAL_MS,
    async round(stopping) {
      await refreshAges();
      await readRefunds();
      while (!stopping.aborted && performance.now() >= restsUntilMs) {
        const due = await duePayments(db, BATCH);
        await Promise.all(due.map(call));
        if (due.length < BATCH) break;
      }
      silence.endRound();
    },
    // A process that does not ask does not know what waits.
    rest: () => showAges(0, 0),
  };
}

/** The event that an answer corresponds to, if the answer has any news. */
function newsOf({ paymentId, status, keyNo }: DuePayment, answer: PaymentAnswer): PaymentEvent | undefined {
  const { now, ...rest } = answer;
  if (now === status || now === 'open' || now === 'waiting') return undefined;
  // A refund that had arrived has failed since.
  const kind = status === 'refunded' && now === 'succeeded' ? 'refund_failed' : now;
  // A new event id for each refund, since one may fail after it was confirmed.
  return { eventId: `asked-${kind}-${paymentId}-${keyNo}`, paymentId, kind, ...(kind === now ? rest : {}) };
}
