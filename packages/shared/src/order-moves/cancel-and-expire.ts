import { Refusal } from '../platform/errors.ts';
import type { Order } from '../order/order.ts';
import { moveOrders, moversTo, wrongState, type Mover } from './order-transitions.ts';
import { findOrders } from '../order/orders-table.ts';
import type { SaleTransactions, Work } from './sale-transactions.ts';

interface Cancel {
  readonly orderNo: string;
  readonly mover: Mover;
}

const cancelAll: Work<Cancel, Order> = async ({ tx, productId, now, moved }, cancels) => {
  const movers = new Map(cancels.map(({ orderNo, mover }) => [orderNo, mover]));
  moved(await moveOrders(tx, productId, movers, 'pending_payment', 'cancelled', now));
  const orderNos = [...movers.keys()];
  const after = new Map((await findOrders(tx, orderNos)).map((order) => [order.orderNo, order]));
  const cancelledBy = await moversTo(tx, orderNos, 'cancelled');
  return cancels.map(({ orderNo, mover }) => {
    const order = after.get(orderNo);
    // A repeat by the same actor: the caller may have missed the answer, or a call of the same
    // group cancelled the order.
    if (order !== undefined && cancelledBy.get(orderNo) === mover.actor) return order;
    if (order?.status === 'pending_payment') {
      return new Refusal('invalid_state', { detail: 'The payment of the order has arrived' });
    }
    return wrongState(order?.status ?? 'queued');
  });
};

/**
 * Cancels an unpaid order; its units become available again. A repeat by the actor that cancelled
 * it gets the same answer.
 *
 * @throws Refusal `invalid_state`, with the order's state, if it is not `pending_payment` or its
 * payment has arrived
 */
export function cancelOrder(
  { saleTransactions }: { readonly saleTransactions: SaleTransactions },
  { productId, orderNo }: Order,
  mover: Mover,
): Promise<Order> {
  return saleTransactions.run(productId, cancelAll, { orderNo, mover });
}

const EXPIRY: Mover = { actor: 'expiry', reason: 'not paid in time' };

const expireAll: Work<readonly string[], number> = async ({ tx, productId, now, moved }, lists) => {
  const counts = [];
  for (const orderNos of lists) {
    const movers = new Map(orderNos.map((orderNo) => [orderNo, EXPIRY]));
    const expired = await moveOrders(tx, productId, movers, 'pending_payment', 'expired', now);
    moved(expired);
    counts.push(expired.length);
  }
  return counts;
};

/** Expires those of a sale's orders that are still unpaid. Returns how many. */
export function expireOrders(
  { saleTransactions }: { readonly saleTransactions: SaleTransactions },
  productId: number,
  orderNos: readonly string[],
): Promise<number> {
  return saleTransactions.run(productId, expireAll, orderNos);
}
