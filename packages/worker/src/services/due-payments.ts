import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { paymentsWithOrdersDue } from '@flash-sale/shared/payment/payments-table.ts';
import { payDueOrders } from '@flash-sale/shared/order-moves/apply-payment-event.ts';
import type { SaleTransactions } from '@flash-sale/shared/order-moves/sale-transactions.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { Failures } from './outage.ts';

const INTERVAL_MS = 500;
/** Maximum number of payments in one transaction. */
const BATCH = 500;

export interface DuePaymentsDeps {
  readonly db: Db;
  readonly saleTransactions: SaleTransactions;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Due payments: when Redis answers again, moves the orders of payments that arrived while it did
 * not. The transaction that recorded the money marked them as due in MySQL. One process at a time;
 * if two run at once, each order still moves once.
 */
export function duePayments({ db, saleTransactions, log, metrics }: DuePaymentsDeps): Rounds<'due_payments'> {
  return {
    name: 'due_payments',
    intervalMs: INTERVAL_MS,
    async round(stopping) {
      /** Sales whose Redis still does not answer. They must not delay the others. */
      const stuck = new Set<number>();
      const failures = new Failures();
      while (!stopping.aborted) {
        const due = await paymentsWithOrdersDue(db, BATCH, [...stuck]);
        for (const [productId, payments] of Map.groupBy(due, (payment) => payment.productId)) {
          const paymentIds = payments.map(({ paymentId }) => paymentId);
          try {
            metrics.duePayments.inc(await payDueOrders({ saleTransactions }, productId, paymentIds));
          } catch (error) {
            stuck.add(productId);
            failures.note(error);
            const facts = { err: error, sale: productId, payments: paymentIds };
            log.warn(facts, 'could not mark orders as paid; retrying later');
          }
        }
        if (due.length < BATCH) break;
      }
      failures.endRound();
    },
  };
}
