import { isLive, type SaleView } from './view.ts';

/** What an owner entry says: the order, and its units. */
export function heldBy(entry: string): { readonly order_no: string; readonly quantity: number } {
  const [orderNo, quantity = 1] = entry.split(':') as [string, string?];
  return { order_no: orderNo, quantity: Number(quantity) };
}

/** The units of these orders together. */
export const unitsOf = (orders: Iterable<{ readonly quantity: number }>): number =>
  [...orders].reduce((units, { quantity }) => units + quantity, 0);

/** The units of the live orders in the ledger, and those of the owner entries in Redis. */
export const liveUnitsOf = ({ final }: SaleView): number => unitsOf(final.orders.filter(isLive));
export const heldUnitsOf = ({ final }: SaleView): number => unitsOf([...final.owners.values()].map(heldBy));

/**
 * An order has all the units that its buy has asked for, never a part of them, and every answer
 * about it says so.
 */
export function* partialOrdersOf({ facts, orders, accepted, polls }: SaleView): Iterable<string> {
  for (const { order_no: orderNo, answers } of accepted.values()) {
    const first = answers.find(({ body }) => body?.['replayed'] !== true);
    const quantity = orders.get(orderNo)?.quantity ?? first?.quantity;
    if (quantity === undefined) continue;
    if (first !== undefined && first.quantity !== quantity)
      yield `order ${orderNo} has ${quantity} units, and its buy has asked for ${first.quantity}`;
    if (quantity > facts.units_per_shopper)
      yield `order ${orderNo} has ${quantity} units, and sale ${facts.id} allows ${facts.units_per_shopper}`;
    const other = answers.find(({ body }) => body?.['quantity'] !== quantity);
    if (other !== undefined)
      yield `order ${orderNo} of ${quantity} units was answered with ${String(other.body?.['quantity'])}`;
  }
  for (const { order_no: orderNo, status, body } of polls) {
    const quantity = orders.get(orderNo!)?.quantity;
    if (status !== 200 || quantity === undefined) continue;
    if (body?.['quantity'] !== quantity)
      yield `order ${orderNo} of ${quantity} units was shown with ${String(body?.['quantity'])}`;
    if (Math.round(Number(body?.['total']) * 100) !== facts.price_cents * quantity)
      yield `order ${orderNo} of ${quantity} units was shown at ${String(body?.['total'])} in all`;
  }
}
