import { Refusal } from '../platform/errors.ts';
import type { Order } from '../order/order.ts';
import type { Tx } from '../platform/mysql/client.ts';
import { moversTo, wrongState } from './order-transitions.ts';
import { findOrders } from '../order/orders-table.ts';
import { lockSucceededPayment, movePayments, updateRefundBy } from '../payment/payments-table.ts';
import type { SaleTransactions, Work } from './sale-transactions.ts';

/** Whether this actor requested the refund that closed the order. */
async function wasAskedFor(tx: Tx, orderNo: string, actor: string): Promise<boolean> {
  return (await moversTo(tx, [orderNo], 'refunded')).get(orderNo) === actor;
}

interface Refund {
  readonly orderNo: string;
  readonly actor: string;
}

const requestAll: Work<Refund, void> = async ({ tx }, refunds) => {
  const answers: (Refusal | undefined)[] = [];
  for (const { orderNo, actor } of refunds) {
    const [now] = await findOrders(tx, [orderNo]);
    if (now?.status === 'refunded' && (await wasAskedFor(tx, orderNo, actor))) {
      answers.push(undefined);
      continue;
    }
    if (now?.status !== 'paid') {
      answers.push(wrongState(now?.status ?? 'queued'));
      continue;
    }
    const payment = await lockSucceededPayment(tx, orderNo);
    // No payment: the refund was requested before and is in progress.
    if (payment !== undefined) {
      await movePayments(tx, [payment.paymentId], 'succeeded', 'refund_pending');
      await updateRefundBy(tx, payment.paymentId, actor);
    }
    answers.push(undefined);
  }
  return answers;
};

/**
 * Requests the refund of a paid order. When the provider has confirmed it, the order is `refunded`
 * and its units are available again. A repeat by the same actor changes nothing, also after that.
 *
 * @throws Refusal `invalid_state` if the order is not paid
 */
export function requestRefund(
  { saleTransactions }: { readonly saleTransactions: SaleTransactions },
  { productId, orderNo }: Order,
  actor: string,
): Promise<void> {
  return saleTransactions.run(productId, requestAll, { orderNo, actor });
}
