import type { Commands } from '../commands.ts';
import type { SaleRef } from '../sale/sale.ts';

/**
 * Compares the outbox of a shard and its number of waiting orders with the sales that may have
 * batches. They differ if the keys of a sale were lost: no audit of a sale sees that.
 *
 * @returns one sentence per finding; undefined if sales entered the outbox too fast to compare it
 */
export async function auditOutbox(
  commands: Pick<Commands, 'compareOutbox'>,
  shard: number,
  sales: readonly SaleRef[],
  options: { readonly repairs: boolean },
): Promise<string[] | undefined> {
  const found = await commands.compareOutbox(shard, sales, options);
  if (found === undefined) return undefined;
  const { backlog, backlogOfSales, emptySales } = found;
  return [
    ...(backlog === backlogOfSales
      ? []
      : [`${backlog} orders are counted as waiting, its sales have ${backlogOfSales}`]),
    ...(emptySales.length === 0 ? [] : [`its outbox has sales without batches: ${emptySales.join(' ')}`]),
  ];
}
