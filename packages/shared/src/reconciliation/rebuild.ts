import type { LiveSale, Sale, SaleRef, SaleWithTexts } from '../sale/sale.ts';
import type { Db, Tx } from '../platform/mysql/client.ts';
import { findOrders, liveOwners } from '../order/orders-table.ts';
import { findSale } from '../sale/products-table.ts';
import { readStamp, setHistory } from '../sale/stamps-table.ts';
import { isHistoryServed, noteHistory, SEEN_SECONDS } from '../sale/redis-histories-table.ts';
import type { Reservation } from '../admission/reservation.ts';
import type { Commands } from '../commands.ts';
import { unitsOf, type Owner } from '../sale/owner.ts';
import { acquireLease, LeaseLost, stopSale, withStampedLease, type Lease, type LeaseMetrics } from '../sale/lease.ts';

const CHUNK = 1_000;

export interface RebuildDeps {
  readonly commands: Commands;
  readonly db: Db;
  readonly metrics?: LeaseMetrics;
}

/** The result of a rebuild. */
export interface Rebuilt {
  readonly sale: SaleWithTexts;
  /** The number of units that shoppers hold. */
  readonly held: number;
  readonly available: number;
}

/**
 * Whether the sale in Redis differs from the ledger's version, so that nothing of it can be sold.
 */
export function needsLoading(live: LiveSale, sale: Sale): boolean {
  return !live.ready || live.version !== sale.version;
}

/**
 * Rebuilds a sale that needs loading. It asks Redis and the ledger again under the lease: an
 * earlier holder may have loaded or changed the sale, and a second rebuild would stop a sale that
 * is selling.
 *
 * @returns undefined if another process holds the lease for longer than `waitMs`, or has loaded
 * the sale
 */
export async function loadSale(deps: RebuildDeps, ref: SaleRef, waitMs: number): Promise<Rebuilt | undefined> {
  // A master that was left behind must not stamp over the holder of the one that is served.
  const { historyId } = await deps.commands.clock(ref.shard);
  if (!(await mayLoad(deps, { sale: ref, historyId }))) {
    await stopLeftBehind(deps, ref, waitMs);
    return undefined;
  }
  return withStampedLease(deps, ref, waitMs, async (lease) => {
    const sale = await findSale(deps.db, ref.id);
    if (sale === undefined) return undefined;
    const isElsewhere = (await readStamp(deps.db, ref.id))?.historyId !== lease.historyId;
    const isNeeded = isElsewhere || needsLoading(await deps.commands.readSale(ref), sale);
    return isNeeded ? rebuildUnder(deps, ref, lease) : undefined;
  });
}

/** Stops a sale that another history has, under a lease that is not stamped. */
async function stopLeftBehind({ commands, metrics }: RebuildDeps, ref: SaleRef, waitMs: number): Promise<void> {
  if (!(await commands.readSale(ref)).ready) return;
  const lease = await acquireLease(commands, ref, waitMs, { metrics });
  if (lease === undefined) return;
  try {
    await stopSale(commands, lease);
  } finally {
    await lease.release().catch(() => undefined);
  }
}

/**
 * Loads a sale into Redis. This is the only way to load it: at its creation, after a restart of
 * Redis, and after a change of the product. It stops the sale, computes the owners from the ledger
 * and the remaining reservations, and replaces them in one script. A rebuild that crashes leaves a
 * stopped sale, and the next one starts from the beginning.
 *
 * @returns undefined if another process holds the lease for longer than `waitMs`, the sale was
 * cleaned up, or another history of Redis has it
 * @throws LeaseLost if the lease was lost or Redis restarted meanwhile; the next attempt starts
 * from the beginning
 */
export function rebuildSale(deps: RebuildDeps, ref: SaleRef, waitMs: number): Promise<Rebuilt | undefined> {
  return withStampedLease(deps, ref, waitMs, (lease) => rebuildUnder(deps, ref, lease));
}

/**
 * Whether the sale may be loaded in the history that granted the lease. If there are two masters,
 * the one whose history began later gets the sale when it loads it for the first time. In the other
 * one the sale stays stopped while workers serve the later history. So it does in a Redis that has
 * nothing of the ledger: the name of the server may lead to a wrong one.
 */
export async function mayLoad(
  { db, commands }: RebuildDeps,
  lease: Pick<Lease, 'sale' | 'historyId'>,
): Promise<boolean> {
  const elsewhere = (await readStamp(db, lease.sale.id))?.historyId ?? lease.historyId;
  if (elsewhere === lease.historyId) return true;
  const isLeftBehind = (await commands.historyOf(lease.sale)) === lease.historyId;
  if (isLeftBehind) return !(await isHistoryServed(db, elsewhere));
  return (await commands.isClaimed(lease.sale.shard)) || !(await isHistoryServed(db, elsewhere, SEEN_SECONDS));
}

/** A rebuild under a lease that is held and stamped. @see rebuildSale */
export async function rebuildUnder(deps: RebuildDeps, ref: SaleRef, lease: Lease): Promise<Rebuilt | undefined> {
  const isAllowed = await mayLoad(deps, lease);
  const historyId = await deps.commands.beginRebuild(ref, lease.text);
  if (historyId === undefined) throw new LeaseLost(ref);
  if (!isAllowed) return undefined;
  // From here on, no lease of another history can be stamped.
  await noteHistory(deps.db, historyId);
  if (!(await setHistory(deps.db, ref.id, lease.fencingToken, historyId))) throw new LeaseLost(ref);
  // Nothing is admitted now and no other process may settle, so the reservations do not change.
  const reservations = await deps.commands.allReservations(ref);
  const { sale, live, written } = await readLedger(deps.db, ref, reservations);
  const owners = ownersOf(sale, live, reservations, written);
  await addOwners(deps.commands, lease, owners);
  await sendToLedger(deps.commands, ref, { owners, reservations });
  const held = unitsOf(owners);
  // Never negative. If live orders in the ledger hold more units than there are, which only a
  // change by hand can cause, nothing is for sale.
  const available = Math.max(0, sale.seckillStock - held);
  const built = { historyId, owners: owners.length, held, available };
  if (!(await deps.commands.finishRebuild(sale, lease.text, built))) throw new LeaseLost(ref);
  return { sale, held, available };
}

/**
 * Reads from one snapshot of the ledger: the sale, its live orders, and which reservations have a
 * row.
 */
async function readLedger(
  db: Db,
  ref: SaleRef,
  reservations: readonly Reservation[],
): Promise<{ sale: SaleWithTexts; live: Owner[]; written: Set<string> }> {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (tx: Tx) => {
      const sale = await findSale(tx, ref.id);
      if (sale === undefined) throw new Error(`Sale ${ref.id} is not in the ledger`);
      const live = await liveOwners(tx, ref.id);
      const written = new Set<string>();
      for (let from = 0; from < reservations.length; from += CHUNK) {
        const orderNos = reservations.slice(from, from + CHUNK).map(({ orderNo }) => orderNo);
        for (const { orderNo } of await findOrders(tx, orderNos)) written.add(orderNo);
      }
      return { sale, live, written };
    });
}

/**
 * The owners of the units: first the live orders, then the reservations without a row in the
 * ledger, oldest first, one per shopper, each with all of its units or not at all. The other
 * reservations stay; the writer fails them, since no owner entry names them.
 */
export function ownersOf(
  sale: Pick<Sale, 'seckillStock'>,
  live: readonly Owner[],
  reservations: readonly Reservation[],
  written: ReadonlySet<string>,
): Owner[] {
  const owners = new Map(live.map((owner) => [owner.userId, owner]));
  let free = sale.seckillStock - unitsOf(live);
  const waiting = reservations
    .filter(({ orderNo }) => !written.has(orderNo))
    .toSorted((a, b) => a.admittedMs - b.admittedMs || (a.orderNo < b.orderNo ? -1 : 1));
  for (const { userId, orderNo, quantity } of waiting) {
    if (owners.has(userId) || quantity > free) continue;
    owners.set(userId, { userId, orderNo, quantity });
    free -= quantity;
  }
  return [...owners.values()];
}

/**
 * Sends pollers of orders that hold no unit any more to the ledger. If the ledger has lost such an
 * order (a MySQL replica was promoted that had not received it), its settled record is wrong.
 */
async function sendToLedger(
  commands: Commands,
  sale: SaleRef,
  kept: { readonly owners: readonly Owner[]; readonly reservations: readonly Reservation[] },
): Promise<void> {
  const known = new Set([...kept.owners, ...kept.reservations].map(({ orderNo }) => orderNo));
  const dropped = (await commands.allOwners(sale)).filter(({ orderNo }) => !known.has(orderNo));
  for (let from = 0; from < dropped.length; from += CHUNK) {
    await commands.markChanged(sale, dropped.slice(from, from + CHUNK));
  }
}

async function addOwners(commands: Commands, lease: Lease, owners: readonly Owner[]): Promise<void> {
  for (let from = 0; from < owners.length; from += CHUNK) {
    if (!(await commands.addOwners(lease.sale, lease.text, owners.slice(from, from + CHUNK))))
      throw new LeaseLost(lease.sale);
  }
}
