import type { Order, OrderStatus } from './order.ts';

/** An order as pollers read it from Redis. Processes of an older version read and write it too. */
interface OrderJson {
  readonly order_no: string;
  readonly user_id: string;
  readonly product_id: number;
  readonly status: OrderStatus;
  readonly price_cents: number;
  readonly created_at_ms: number;
  readonly version: number;
  readonly reason?: string | undefined;
  readonly expires_at_ms?: number | undefined;
  readonly paid_at_ms?: number | undefined;
  readonly closed_at_ms?: number | undefined;
}

/** The text that `settle` stores for pollers. */
export function jsonOfOrder(order: Order): string {
  const json: OrderJson = {
    order_no: order.orderNo,
    user_id: order.userId,
    product_id: order.productId,
    status: order.status,
    price_cents: order.priceCents,
    created_at_ms: order.createdAtMs,
    version: order.version,
    reason: order.reason,
    expires_at_ms: order.expiresAtMs,
    paid_at_ms: order.paidAtMs,
    closed_at_ms: order.closedAtMs,
  };
  return JSON.stringify(json);
}

export function orderOfJson(text: string): Order {
  const json = JSON.parse(text) as OrderJson;
  const order: { -readonly [Key in keyof Order]: Order[Key] } = {
    orderNo: json.order_no,
    userId: json.user_id,
    productId: json.product_id,
    status: json.status,
    priceCents: json.price_cents,
    createdAtMs: json.created_at_ms,
    version: json.version,
  };
  if (json.reason !== undefined) order.reason = json.reason;
  if (json.expires_at_ms !== undefined) order.expiresAtMs = json.expires_at_ms;
  if (json.paid_at_ms !== undefined) order.paidAtMs = json.paid_at_ms;
  if (json.closed_at_ms !== undefined) order.closedAtMs = json.closed_at_ms;
  return order;
}
