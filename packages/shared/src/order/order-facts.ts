import { priceOfCents } from '../platform/money.ts';
import type { Order } from './order.ts';

/**
 * The facts of an order that never change, with one of its statuses: for the API and for order
 * events.
 */
export function orderFacts(order: Order, status: Order['status']) {
  const { orderNo, userId, productId, priceCents, quantity, createdAtMs } = order;
  return {
    order_no: orderNo,
    user_id: userId,
    product_id: productId,
    status,
    price: priceOfCents(priceCents),
    quantity,
    total: priceOfCents(priceCents * quantity),
    created_at: new Date(createdAtMs).toISOString(),
  };
}
