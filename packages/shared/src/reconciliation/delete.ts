import { Refusal } from '../platform/errors.ts';
import type { Tx } from '../platform/mysql/client.ts';
import { hasOrders } from '../order/orders-table.ts';
import { LeaseLost, withStampedLease, type Lease } from '../sale/lease.ts';
import { lockSaleRow } from '../sale/lock-sale-row.ts';
import { deleteSaleRows, findSale, lockFacts } from '../sale/products-table.ts';
import type { SaleRef, SaleWithTexts } from '../sale/sale.ts';
import { reopenSale } from './change.ts';
import { mayLoad, type RebuildDeps } from './rebuild.ts';

export interface DeleteOptions {
  /** How long to wait if another process holds the sale's lease. */
  readonly waitMs: number;
  /** Called in the transaction of the deletion. */
  readonly record?: (tx: Tx, sale: SaleWithTexts) => Promise<void>;
}

const hasOrdersRefusal = (): Refusal =>
  new Refusal('invalid_state', { detail: 'The sale has orders. End it instead: it is kept with its orders' });

/**
 * Deletes a sale that never had an order, from the ledger and from Redis. The sale is stopped
 * first, so that nobody can buy meanwhile. After a crash it is stopped and in the ledger, and
 * warm-up opens it again; or it is gone from the ledger, and the clean-up deletes its keys.
 *
 * @returns the deleted sale, or undefined if its lease was not free in time
 * @throws Refusal `not_found`, or `invalid_state` if the sale has orders
 */
export async function deleteSale(
  deps: RebuildDeps,
  ref: SaleRef,
  { waitMs, record }: DeleteOptions,
): Promise<SaleWithTexts | undefined> {
  const known = await findSale(deps.db, ref.id);
  if (known === undefined) throw new Refusal('not_found');
  if (known.cleaned) return deleteCleaned(deps, known, record);
  return withStampedLease(deps, ref, waitMs, async (lease) => {
    if (!(await mayLoad(deps, lease))) return undefined;
    const deleted = await deleteUnder(deps, lease, record);
    await deps.commands.cleanUp(ref, lease.text);
    return deleted;
  });
}

/** A sale that Redis does not keep any more has no lease. */
function deleteCleaned(
  { db }: RebuildDeps,
  sale: SaleWithTexts,
  record: DeleteOptions['record'],
): Promise<SaleWithTexts> {
  return db
    .transaction()
    .setIsolationLevel('read committed')
    .execute(async (tx) => {
      if ((await lockSaleRow(tx, sale.id)) === undefined) throw new Refusal('not_found');
      if (await hasOrders(tx, sale.id)) throw hasOrdersRefusal();
      await deleteSaleRows(tx, sale.id);
      await record?.(tx, sale);
      return sale;
    });
}

function deleteUnder(
  { db, commands }: RebuildDeps,
  lease: Lease,
  record: DeleteOptions['record'],
): Promise<SaleWithTexts> {
  const { sale: ref, fencingToken } = lease;
  const isEmpty = async (tx: Tx): Promise<boolean> =>
    // Redis before the ledger: an order moves from Redis to the ledger, never back.
    (await commands.backlog(ref)) === 0 && !(await hasOrders(tx, ref.id));
  return db
    .transaction()
    .setIsolationLevel('read committed')
    .execute(async (tx) => {
      const sale = await lockFacts(tx, ref.id, fencingToken);
      if (sale === undefined) throw new LeaseLost(ref);
      // Check before the sale is stopped: a call that is refused must not stop it.
      if (!(await isEmpty(tx))) throw hasOrdersRefusal();
      const stopped = await commands.beginChange(ref, lease.text);
      if (stopped === undefined) throw new LeaseLost(ref);
      if (!(await isEmpty(tx))) {
        await reopenSale(commands, lease, sale, stopped);
        throw hasOrdersRefusal();
      }
      await deleteSaleRows(tx, ref.id);
      await record?.(tx, sale);
      return sale;
    });
}
