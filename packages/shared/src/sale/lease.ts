import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { SaleRef } from './sale.ts';
import type { Db } from '../platform/mysql/client.ts';
import { findSale, readStamp, stampFence } from './products-table.ts';
import type { Commands } from '../commands.ts';
import type { Metrics } from '../platform/telemetry/metrics.ts';

export const LEASE_LIFE_MS = 3_000;
/** How long services and operators' calls wait for a lease: longer than a holder keeps it once somebody waits. */
export const LEASE_WAIT_MS = 2_000;
/** How long a try is remembered, so that the holder knows that somebody waits. Longer than the pause between two tries. */
const WAIT_REMEMBERED_MS = 300;
const RETRY_MS_MIN = 5;
const RETRY_MS_SPREAD = 20;

/**
 * What a lease is taken for. `loaded`: work on what Redis keeps of a sale, where the ledger says that it was loaded last in this history. `any`: the
 * sale may be one that Redis does not keep yet, or that another history has, as before it is loaded.
 */
export type LeaseOf = 'loaded' | 'any';

export type LeaseMetrics = Pick<Metrics, 'lease_wait_seconds' | 'leases_lost' | 'fencing_refusals'>;

/** The lease is somebody else's, or nobody's: whatever it guards must not be touched. */
export class LeaseLost extends Error {
  constructor(sale: SaleRef) {
    super(`The lease of sale ${sale.id} is lost`);
    this.name = 'LeaseLost';
  }
}

/**
 * The sale was loaded last in another history of Redis: this one is its past (a master beside which another server was promoted), or will have it
 * once it is loaded here.
 */
export class LoadedElsewhere extends LeaseLost {}

/**
 * The right to move orders of one sale into the ledger, or to rebuild it. Redis grants it for `LEASE_LIFE_MS`; it is renewed at a
 * third of that until it is released or lost. What it guards is safe even where a holder does not notice the loss: every script
 * compares `text`, and every transaction the fencing token (M. Kleppmann, "How to do distributed locking", 2016).
 */
export class Lease {
  readonly sale: SaleRef;
  /** Goes up with every acquisition. */
  readonly fencing_token: number;
  /** The history of Redis that granted it. */
  readonly history_id: string;
  /** What scripts compare: the fencing token and a name that was never used before. */
  readonly text: string;
  readonly #commands: Commands;
  readonly #lost = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #renewed_ms: number;

  constructor(
    commands: Commands,
    sale: SaleRef,
    { fencing_token, history_id }: Pick<Lease, 'fencing_token' | 'history_id'>,
    holder: string,
    asked_ms: number,
  ) {
    this.#commands = commands;
    this.sale = sale;
    this.fencing_token = fencing_token;
    this.history_id = history_id;
    this.text = `${fencing_token} ${holder}`;
    this.#renewed_ms = asked_ms;
    this.#timer = setInterval(() => void this.#renew(), LEASE_LIFE_MS / 3).unref();
  }

  /** Aborted when the lease is known to be lost. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** @throws LeaseLost where the lease is lost or its life has passed unrenewed */
  check(): void {
    if (performance.now() - this.#renewed_ms > LEASE_LIFE_MS) this.#lost.abort();
    if (this.#lost.signal.aborted) throw new LeaseLost(this.sale);
  }

  /** Ends the lease. `ledger_fence` is the ledger's fencing token where that turned out to be ahead of ours. */
  async release(ledger_fence = 0): Promise<void> {
    clearInterval(this.#timer);
    this.#lost.abort();
    await this.#commands.releaseLease(this.sale, this.text, ledger_fence);
  }

  async #renew(): Promise<void> {
    const asked_ms = performance.now();
    try {
      if (await this.#commands.renewLease(this.sale, this.text, LEASE_LIFE_MS)) {
        this.#renewed_ms = asked_ms;
      } else {
        clearInterval(this.#timer);
        this.#lost.abort();
      }
    } catch {
      // Redis is away: the life that is left decides, in check().
    }
  }
}

/**
 * Takes the lease of a sale, trying again for `wait_ms` where somebody else holds it. Not held in the ledger before it is
 * stamped there.
 *
 * @returns undefined where it could not be had in time
 */
export async function acquireLease(
  commands: Commands,
  sale: SaleRef,
  wait_ms: number,
  { of = 'any', metrics }: { readonly of?: LeaseOf; readonly metrics?: LeaseMetrics | undefined } = {},
): Promise<Lease | undefined> {
  const waited = metrics?.lease_wait_seconds.startTimer();
  const until_ms = performance.now() + wait_ms;
  const holder = randomUUID();
  for (;;) {
    const asked_ms = performance.now();
    const taken = await commands.acquireLease(sale, holder, {
      life_ms: LEASE_LIFE_MS,
      wait_ms: WAIT_REMEMBERED_MS,
      may_be_new: of === 'any',
    });
    if (taken !== undefined) {
      waited?.({ outcome: 'taken' });
      return new Lease(commands, sale, taken, holder, asked_ms);
    }
    const pause_ms = RETRY_MS_MIN + Math.random() * RETRY_MS_SPREAD;
    if (performance.now() + pause_ms > until_ms) {
      waited?.({ outcome: 'held_elsewhere' });
      return undefined;
    }
    await delay(pause_ms);
  }
}

/**
 * Runs `work` under a lease that is stamped in the ledger: no transaction of an earlier holder can commit any more. Where the ledger's
 * fencing token is not below ours (Redis has lost its counter), the counter is raised and the lease taken anew.
 *
 * @returns what `work` returned, or undefined where the lease could not be had in time, the sale was cleaned up, or it is loaded elsewhere
 * @throws LeaseLost where the lease was lost under way, and what `work` throws
 */
export async function withStampedLease<Result>(
  deps: { readonly commands: Commands; readonly db: Db; readonly metrics?: LeaseMetrics },
  sale: SaleRef,
  wait_ms: number,
  work: (lease: Lease) => Promise<Result>,
  of: LeaseOf = 'any',
): Promise<Result | undefined> {
  for (;;) {
    const lease = await acquireLease(deps.commands, sale, wait_ms, { of, metrics: deps.metrics });
    if (lease === undefined) return undefined;
    let ledger_fence = 0;
    try {
      const history_id = of === 'loaded' ? lease.history_id : undefined;
      if (await stampFence(deps.db, sale.id, lease.fencing_token, history_id)) return await work(lease);
      deps.metrics?.fencing_refusals.inc({ at: 'mysql' });
      const stamp = await readStamp(deps.db, sale.id);
      if (history_id !== undefined && stamp !== undefined && stamp.history_id !== history_id) {
        await stopSale(deps.commands, lease);
        return undefined;
      }
      ledger_fence = stamp?.fence ?? 0;
      // Whoever still had the sale in a list: what taking the lease has made must not stay.
      if (ledger_fence === 0) await deps.commands.cleanUp(sale, lease.text);
    } catch (error) {
      if (error instanceof LeaseLost) deps.metrics?.leases_lost.inc();
      throw error;
    } finally {
      await lease.release(ledger_fence).catch(() => undefined);
    }
    if (ledger_fence > 0) continue;
    if ((await findSale(deps.db, sale.id))?.cleaned === true) return undefined;
    throw new LeaseLost(sale);
  }
}

/** @see withStampedLease, of a sale that Redis keeps */
export function withLoadedLease<Result>(
  deps: Parameters<typeof withStampedLease>[0],
  sale: SaleRef,
  wait_ms: number,
  work: (lease: Lease) => Promise<Result>,
): Promise<Result | undefined> {
  return withStampedLease(deps, sale, wait_ms, work, 'loaded');
}

/** Stops a sale that is loaded elsewhere: what is sold here would never be written. */
export async function stopSale(commands: Commands, { sale, text }: Lease): Promise<void> {
  await commands.beginRebuild(sale, text);
}
