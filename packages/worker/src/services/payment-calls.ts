import type { Payment } from '@flash-sale/shared/domain/payment.ts';
import type { Db } from '@flash-sale/shared/db/client.ts';
import { askAgainIn, duePayments, movePayments } from '@flash-sale/shared/db/payments.ts';
import type { PaymentProvider } from '@flash-sale/shared/payment/provider.ts';
import type { Logger } from '@flash-sale/shared/telemetry/logger.ts';
import type { Rounds } from '@flash-sale/shared/process/service.ts';

const INTERVAL_MS = 500;
/** A call that was not confirmed by then is made again; providers answer a repeated one as the first. */
const ASK_AGAIN_MS = 30_000;
/** Calls at once: a provider takes its time, and takes only so many. */
const BATCH = 10;

export interface PaymentCallsDeps {
  readonly db: Db;
  readonly provider: PaymentProvider;
  readonly log: Logger;
}

/**
 * Payment calls: asks the provider to give money back, and to expire open payments of orders that have closed. What is due is in MySQL, in the
 * transaction that made it due, and stays due until the provider has confirmed. By one process at a time; two at once ask
 * twice, which a provider answers as once.
 */
export function paymentCalls({ db, provider, log }: PaymentCallsDeps): Rounds<'payment_calls'> {
  async function call(payment: Payment): Promise<void> {
    const { payment_id, order_no, status } = payment;
    await askAgainIn(db, payment_id, ASK_AGAIN_MS);
    try {
      if (payment.provider !== provider.name)
        throw new Error(`The provider is ${payment.provider}, not ${provider.name}`);
      if (status === 'refund_pending') {
        await provider.refund(payment);
      } else {
        await provider.expire(payment);
        // One that was paid at the last moment comes back as an event, and is refunded.
        if (status === 'started') await movePayments(db, [payment_id], 'started', 'declined');
      }
      log.info({ payment_id, order_no, status }, 'payment provider asked');
    } catch (error) {
      log.warn({ err: error, payment_id, order_no, status }, 'payment provider did not answer; asked again later');
    }
  }

  return {
    name: 'payment_calls',
    interval_ms: INTERVAL_MS,
    async round(stopping) {
      while (!stopping.aborted) {
        const due = await duePayments(db, BATCH);
        await Promise.all(due.map(call));
        if (due.length < BATCH) return;
      }
    },
  };
}
