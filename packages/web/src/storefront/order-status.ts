import type { Order } from '../client/client.ts';
import type { MessageKey } from './messages.ts';

/** The word for each status of an order. */
export const ORDER_STATUS_TEXTS: Readonly<Record<Order['status'], MessageKey>> = {
  queued: 'orderQueued',
  pending_payment: 'orderPending',
  paid: 'orderPaid',
  refunded: 'orderRefunded',
  cancelled: 'orderCancelled',
  expired: 'orderExpired',
  failed: 'orderFailed',
};
