import type { Tx } from '../platform/mysql/client.ts';
import { Refusal } from '../platform/errors.ts';
import type { ProductTexts, Sale, SaleRef, SaleWithTexts } from '../sale/sale.ts';
import { findSale, lockFacts, updateFacts } from '../sale/products-table.ts';
import { readStamp } from '../sale/stamps-table.ts';
import { LeaseLost, withStampedLease, type Lease } from '../sale/lease.ts';
import type { Commands } from '../commands.ts';
import { mayLoad, rebuildUnder, type RebuildDeps } from './rebuild.ts';

/** The facts of an existing sale that may change. */
type Facts = Pick<
  Sale,
  'name' | 'priceCents' | 'stock' | 'seckillStock' | 'unitsPerShopper' | 'startMs' | 'endMs' | 'room'
> &
  ProductTexts;

/**
 * Returns the facts to change at a time by the clock of Redis, or undefined if there is nothing to
 * change. Pure.
 */
type Decide = (sale: SaleWithTexts, nowMs: number) => Partial<Facts> | undefined;

export interface ChangeOptions {
  /** How long to wait if another process holds the sale's lease. */
  readonly waitMs: number;
  /** Called in the transaction of the change, if there is a change. */
  readonly record?: (tx: Tx, before: SaleWithTexts, after: SaleWithTexts) => Promise<void>;
}

/**
 * Raises a sale to a total of `seckillStock` units. Its `stock` becomes the given value, or at
 * least that many. A repeat changes nothing.
 *
 * @returns the sale as it is now, or undefined if its lease was not free in time
 * @throws Refusal `ended`, or `invalid_request` if that is fewer units than now or more than
 * `stock`
 */
export function topUpSale(
  deps: RebuildDeps,
  ref: SaleRef,
  wanted: { readonly seckillStock: number; readonly stock?: number | undefined },
  options: ChangeOptions,
): Promise<SaleWithTexts | undefined> {
  return changeSale(deps, ref, options, (sale, nowMs) => {
    if (nowMs >= sale.endMs) throw new Refusal('ended');
    const { seckillStock } = wanted;
    const stock = Math.max(sale.stock, wanted.stock ?? 0);
    const invalid = (detail: string): Refusal => new Refusal('invalid_request', { detail });
    if (seckillStock < sale.seckillStock)
      throw invalid(`body/seckill_stock must be at least ${sale.seckillStock}, its current value`);
    if (seckillStock > stock) throw invalid(`body/seckill_stock must be at most stock, which is ${stock}`);
    return seckillStock === sale.seckillStock && stock === sale.stock ? undefined : { seckillStock, stock };
  });
}

/**
 * Ends a sale now, by the clock of Redis: earlier admissions stay valid, and nothing is admitted
 * after. An ended sale stays as it is.
 *
 * @returns the sale as it is now, or undefined if its lease was not free in time
 */
export function endSale(deps: RebuildDeps, ref: SaleRef, options: ChangeOptions): Promise<SaleWithTexts | undefined> {
  // `endMs` itself is after the end, and the last buy may have been admitted in the same ms in
  // which the sale was stopped.
  return changeSale(deps, ref, options, (sale, nowMs) => (nowMs >= sale.endMs ? undefined : { endMs: nowMs + 1 }));
}

/**
 * Changes the facts of a sale in MySQL and in Redis. A ready sale has the same facts in both at
 * every instant: this stops the sale, commits in the ledger, and opens the sale again with the new
 * facts in one script. Buyers get `not_ready` for the time of one commit. After a crash the sale
 * stays stopped, and warm-up rebuilds it from the ledger.
 */
export async function changeSale(
  deps: RebuildDeps,
  ref: SaleRef,
  { waitMs, record }: ChangeOptions,
  decide: Decide,
): Promise<SaleWithTexts | undefined> {
  const known = await findSale(deps.db, ref.id);
  if (known?.cleaned === true) {
    // The sale ended long ago and has no lease any more. Return it unchanged, or throw the refusal.
    decide(known, known.endMs);
    return known;
  }
  return withStampedLease(deps, ref, waitMs, async (lease) => {
    if (!(await mayLoad(deps, lease))) return undefined;
    const isHere = (await readStamp(deps.db, ref.id))?.historyId === lease.historyId;
    const { before, after, stopped } = await commitChange(deps, lease, decide, record);
    if (stopped === undefined) return before;
    const opened =
      isHere &&
      stopped.version === before.version &&
      (await deps.commands.finishChange(before, after, lease.text, stopped.historyId));
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
  const { sale: ref, fencingToken } = lease;
  const { nowMs } = await commands.clock(ref.shard);
  const decideStopped = async (before: SaleWithTexts, stopped: Stopped) => {
    try {
      return decide(before, stopped.nowMs);
    } catch (error) {
      // The sale has started or ended since the first check.
      await reopenSale(commands, lease, before, stopped);
      throw error;
    }
  };
  return db
    .transaction()
    .setIsolationLevel('read committed')
    .execute(async (tx) => {
      const before = await lockFacts(tx, ref.id, fencingToken);
      if (before === undefined) throw new LeaseLost(ref);
      // Check before the sale is stopped: a call that changes nothing must not stop it.
      if (decide(before, nowMs) === undefined) return { before, after: before, stopped: undefined };
      const stopped = await commands.beginChange(ref, lease.text);
      if (stopped === undefined) throw new LeaseLost(ref);
      const after = { ...before, ...(await decideStopped(before, stopped)), version: before.version + 1 };
      await updateFacts(tx, after);
      await record?.(tx, before, after);
      return { before, after, stopped };
    });
}

/** What Redis said when a sale was stopped. */
type Stopped = NonNullable<Awaited<ReturnType<Commands['beginChange']>>>;

/** Opens a stopped sale as it was. If that fails, warm-up rebuilds it. */
export async function reopenSale(
  commands: Pick<Commands, 'finishChange'>,
  lease: Lease,
  sale: Sale,
  stopped: Stopped,
): Promise<void> {
  if (stopped.version === sale.version) await commands.finishChange(sale, sale, lease.text, stopped.historyId);
}
