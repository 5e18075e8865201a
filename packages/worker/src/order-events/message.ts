import { priceOfCents } from '@flash-sale/shared/platform/money.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import type { OrderEvents } from '@flash-sale/shared/order-events/order-events.ts';

const isoOf = (time_ms: number): string => new Date(time_ms).toISOString();

/**
 * The body of a message. An order's row changes after the event, so a message contains only facts
 * that do not change, and the status of the event.
 *
 * @param orders the orders of the events by their numbers
 */
export function bodyOf(events: readonly OrderEvents[], orders: ReadonlyMap<string, Order>): string {
  return JSON.stringify({
    type: 'order.events',
    timestamp: isoOf(events[0]!.came_ms),
    data: {
      events: events.flatMap(({ status, order_nos, came_ms }) =>
        order_nos.flatMap((order_no) => {
          const order = orders.get(order_no);
          if (order === undefined) return [];
          const { user_id, product_id, price_cents, created_at_ms, expires_at_ms, reason } = order;
          const time_ms =
            status === 'paid' ? order.paid_at_ms : status === 'pending_payment' ? undefined : order.closed_at_ms;
          return {
            type: `order.${status}`,
            timestamp: isoOf(time_ms ?? came_ms),
            data: {
              order_no,
              user_id,
              product_id,
              status,
              price: priceOfCents(price_cents),
              created_at: isoOf(created_at_ms),
              ...(status === 'pending_payment' && expires_at_ms !== undefined
                ? { expires_at: isoOf(expires_at_ms) }
                : {}),
              ...(reason === undefined ? {} : { reason }),
            },
          };
        }),
      ),
    },
  });
}
