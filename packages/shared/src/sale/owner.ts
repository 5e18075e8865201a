/** The owner entry of a shopper: the order that holds units of the sale, and how many. */
export interface Owner {
  readonly userId: string;
  readonly orderNo: string;
  readonly quantity: number;
}

/** The value of an owner entry: the order number, with `:quantity` behind it unless that is 1. */
export const ownerEntryOf = ({ orderNo, quantity }: Pick<Owner, 'orderNo' | 'quantity'>): string =>
  quantity === 1 ? orderNo : `${orderNo}:${quantity}`;

/** Reads the value of an owner entry. */
export function heldBy(entry: string): Pick<Owner, 'orderNo' | 'quantity'> {
  const [orderNo, quantity = '1'] = entry.split(':', 2) as [string, string?];
  return { orderNo, quantity: Number(quantity) };
}

/** The number of units that these owners hold. */
export const unitsOf = (held: readonly Pick<Owner, 'quantity'>[]): number =>
  held.reduce((units, { quantity }) => units + quantity, 0);
