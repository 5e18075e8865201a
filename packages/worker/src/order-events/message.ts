import type { Order } from '@flash-sale/shared/order/order.ts';
import { orderFacts } from '@flash-sale/shared/order/order-facts.ts';
import type { OrderEvents } from '@flash-sale/shared/order-events/order-events.ts';

const isoOf = (timeMs: number): string => new Date(timeMs).toISOString();

/**
 * The body of a message. An order's row changes after the event, so a message contains only facts
 * that do not change, and the status of the event.
 *
 * @param orders the orders of the events by their numbers
 */
export function bodyOf(events: readonly OrderEvents[], orders: ReadonlyMap<string, Order>): string {
  return JSON.stringify({
    type: 'order.events',
    timestamp: isoOf(events[0]!.cameMs),
    data: {
      events: events.flatMap(({ status, orderNos, cameMs }) =>
        orderNos.flatMap((orderNo) => {
          const order = orders.get(orderNo);
          if (order === undefined) return [];
          const { expiresAtMs, reason } = order;
          const timeMs =
            status === 'paid' ? order.paidAtMs : status === 'pending_payment' ? undefined : order.closedAtMs;
          return {
            type: `order.${status}`,
            timestamp: isoOf(timeMs ?? cameMs),
            data: {
              ...orderFacts(order, status),
              ...(status === 'pending_payment' && expiresAtMs !== undefined ? { expires_at: isoOf(expiresAtMs) } : {}),
              ...(reason === undefined ? {} : { reason }),
            },
          };
        }),
      ),
    },
  });
}
