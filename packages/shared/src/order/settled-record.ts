import type { Order } from './order.ts';

/**
 * The line of an order in the settled record of its batch: `order_no user_id expires <ms after
 * admission>` or `order_no user_id failed <ms after admission> <reason>`, with the quantity behind
 * it unless that is 1; or `order_no -` if the order has moved on: then only the ledger has its
 * status.
 */
export function settledLineOf(order: Order, admittedMs: number): string {
  const { orderNo, userId, status, version, quantity, expiresAtMs, closedAtMs, reason } = order;
  const ending = quantity === 1 ? '' : ` ${quantity}`;
  if (version === 1 && status === 'pending_payment' && expiresAtMs !== undefined)
    return `${orderNo} ${userId} expires ${expiresAtMs - admittedMs}${ending}`;
  if (version === 1 && status === 'failed' && closedAtMs !== undefined)
    return `${orderNo} ${userId} failed ${closedAtMs - admittedMs} ${reason}${ending}`;
  return `${orderNo} -`;
}

/**
 * The order of a settled line.
 *
 * @param text `admitted_ms price_cents user_id` and the rest of the line
 */
export function settledOrderOf(orderNo: string, productId: number, text: string): Order {
  const [admittedMs, priceCents, userId, what, after, ...rest] = text.split(' ') as [
    string,
    string,
    string,
    'expires' | 'failed',
    string,
    ...string[],
  ];
  const [reason] = what === 'failed' ? rest.splice(0, 1) : [];
  const [quantity = '1'] = rest;
  const createdAtMs = Number(admittedMs);
  const facts = { priceCents: Number(priceCents), quantity: Number(quantity), createdAtMs, version: 1 };
  const order = { orderNo, userId, productId, ...facts };
  const atMs = createdAtMs + Number(after);
  if (what === 'expires') return { ...order, status: 'pending_payment', expiresAtMs: atMs };
  return { ...order, status: 'failed', closedAtMs: atMs, ...(reason === undefined ? {} : { reason }) };
}

/**
 * The batches in a message of `settle`: per batch a line `batch_no admitted_ms price_cents` and the
 * settled lines of its orders, with an empty line between two batches.
 */
export function settledBatchesOf(message: string): { readonly batchNo: string; readonly record: string }[] {
  return message.split('\n\n').map((text) => {
    const [batchNo] = text.split(' ', 1) as [string];
    return { batchNo, record: text.slice(batchNo.length + 1) };
  });
}

/** The orders in the record of a settled batch, except those that only the ledger knows. */
export function settledOrdersOf(productId: number, record: string): Map<string, Order> {
  const [facts, ...lines] = record.split('\n');
  const orders = new Map<string, Order>();
  for (const line of lines) {
    const [orderNo] = line.split(' ', 1) as [string];
    const rest = line.slice(orderNo.length + 1);
    if (rest !== '-') orders.set(orderNo, settledOrderOf(orderNo, productId, `${facts} ${rest}`));
  }
  return orders;
}
