import type { Tx } from '../platform/mysql/client.ts';
import { Refusal } from '../platform/errors.ts';
import type { Sale, SaleRef } from './sale.ts';
import { findSale, lockFacts, readStamp, updateFacts } from './products-table.ts';
import { LeaseLost, withStampedLease, type Lease } from './lease.ts';
import { mayLoad, rebuildUnder, type RebuildDeps } from './rebuild.ts';

/** What may change about a sale once it exists. */
type Facts = Pick<Sale, 'stock' | 'seckill_stock' | 'end_ms'>;

/** The facts that are to be changed at a time of Redis's clock, or undefined where the sale is as asked for already. Pure. */
type Decide = (sale: Sale, now_ms: number) => Partial<Facts> | undefined;

export interface ChangeOptions {
  /** How long somebody else may hold the sale's lease. */
  readonly wait_ms: number;
  /** Written in the transaction of the change, where there is one to make. */
  readonly record?: (tx: Tx, before: Sale, after: Sale) => Promise<void>;
}

/**
 * Raises a sale to `seckill_stock` units in all, and its `stock` to what is given or at least that many. A repeat changes nothing.
 *
 * @returns the sale as it is now, or undefined where its lease could not be had
 * @throws Refusal `ended`, or `invalid_request` where that would be fewer units than now or more than `stock`
 */
export function topUpSale(
  deps: RebuildDeps,
  ref: SaleRef,
  wanted: { readonly seckill_stock: number; readonly stock?: number | undefined },
  options: ChangeOptions,
): Promise<Sale | undefined> {
  return changeSale(deps, ref, options, (sale, now_ms) => {
    if (now_ms >= sale.end_ms) throw new Refusal('ended');
    const { seckill_stock } = wanted;
    const stock = Math.max(sale.stock, wanted.stock ?? 0);
    const invalid = (detail: string): Refusal => new Refusal('invalid_request', { detail });
    if (seckill_stock < sale.seckill_stock)
      throw invalid(`body/seckill_stock must be at least ${sale.seckill_stock}, its current value`);
    if (seckill_stock > stock) throw invalid(`body/seckill_stock must be at most stock, which is ${stock}`);
    return seckill_stock === sale.seckill_stock && stock === sale.stock ? undefined : { seckill_stock, stock };
  });
}

/**
 * Ends a sale now, by Redis's clock: what was admitted before stands, nothing is admitted after. A sale that is over stays as it is.
 *
 * @returns the sale as it is now, or undefined where its lease could not be had
 */
export function endSale(deps: RebuildDeps, ref: SaleRef, options: ChangeOptions): Promise<Sale | undefined> {
  // The end is outside the sale, and the last buy may have been admitted in the very millisecond that stopped it.
  return changeSale(deps, ref, options, (sale, now_ms) => (now_ms >= sale.end_ms ? undefined : { end_ms: now_ms + 1 }));
}

/**
 * Changes the facts of a sale in MySQL and in Redis, so that a ready sale has the same ones in both at every instant: the sale is stopped, the
 * ledger commits, and one script opens it again with the new facts, which costs buyers one commit of `not_ready`. Whatever dies on
 * the way leaves a stopped sale, which warm-up rebuilds from what the ledger then says.
 */
async function changeSale(
  deps: RebuildDeps,
  ref: SaleRef,
  { wait_ms, record }: ChangeOptions,
  decide: Decide,
): Promise<Sale | undefined> {
  const known = await findSale(deps.db, ref.id);
  if (known?.cleaned === true) {
    // Over for long, and nobody holds its lease any more. It stays as it is, or is refused.
    decide(known, known.end_ms);
    return known;
  }
  return withStampedLease(deps, ref, wait_ms, async (lease) => {
    if (!(await mayLoad(deps, lease))) return undefined;
    const isHere = (await readStamp(deps.db, ref.id))?.history_id === lease.history_id;
    const { before, after, stopped } = await commitChange(deps, lease, decide, record);
    if (stopped === undefined) return before;
    const opened =
      isHere &&
      stopped.version === before.version &&
      (await deps.commands.finishChange(before, after, lease.text, stopped.history_id));
    if (!opened) await rebuildUnder(deps, ref, lease);
    return after;
  });
}

async function commitChange(
  { db, commands }: RebuildDeps,
  lease: Lease,
  decide: Decide,
  record: ChangeOptions['record'],
) {
  const { sale: ref, fencing_token } = lease;
  const { now_ms } = await commands.clock(ref.shard);
  return db
    .transaction()
    .setIsolationLevel('read committed')
    .execute(async (tx) => {
      const before = await lockFacts(tx, ref.id, fencing_token);
      if (before === undefined) throw new LeaseLost(ref);
      // Asked before the sale is stopped: what changes nothing must not stop it.
      if (decide(before, now_ms) === undefined) return { before, after: before, stopped: undefined };
      const stopped = await commands.beginChange(ref, lease.text);
      if (stopped === undefined) throw new LeaseLost(ref);
      const after = { ...before, ...decide(before, stopped.now_ms), version: before.version + 1 };
      await updateFacts(tx, after);
      await record?.(tx, before, after);
      return { before, after, stopped };
    });
}
