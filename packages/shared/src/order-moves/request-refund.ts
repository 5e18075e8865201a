import { Refusal } from '../platform/errors.ts';
import type { Order } from '../order/order.ts';
import type { Tx } from '../platform/mysql/client.ts';
import { moversTo, wrongState } from './order-transitions.ts';
import { findOrders } from '../order/orders-table.ts';
import { lockSucceededPayment, movePayments, updateRefundBy } from '../payment/payments-table.ts';
import type { SaleTransactions, Work } from './sale-transactions.ts';

/** Whether this actor requested the refund that closed the order. */
async function wasAskedFor(tx: Tx, order_no: string, actor: string): Promise<boolean> {
  return (await moversTo(tx, [order_no], 'refunded')).get(order_no) === actor;
}

interface Refund {
  readonly order_no: string;
  readonly actor: string;
}

const requestAll: Work<Refund, void> = async ({ tx }, refunds) => {
  const answers: (Refusal | undefined)[] = [];
  for (const { order_no, actor } of refunds) {
    const [now] = await findOrders(tx, [order_no]);
    if (now?.status === 'refunded' && (await wasAskedFor(tx, order_no, actor))) {
      answers.push(undefined);
      continue;
    }
    if (now?.status !== 'paid') {
      answers.push(wrongState(now?.status ?? 'queued'));
      continue;
    }
    const payment = await lockSucceededPayment(tx, order_no);
    // No payment: the refund was requested before and is in progress.
    if (payment !== undefined) {
      await movePayments(tx, [payment.payment_id], 'succeeded', 'refund_pending');
      await updateRefundBy(tx, payment.payment_id, actor);
    }
    answers.push(undefined);
  }
  return answers;
};

/**
 * Requests the refund of a paid order. When the provider has confirmed it, the order is `refunded`
 * and its unit is available again. A repeat by the same actor changes nothing, also after that.
 *
 * @throws Refusal `invalid_state` if the order is not paid
 */
export function requestRefund(
  { saleTransactions }: { readonly saleTransactions: SaleTransactions },
  { product_id, order_no }: Order,
  actor: string,
): Promise<void> {
  return saleTransactions.run(product_id, requestAll, { order_no, actor });
}
