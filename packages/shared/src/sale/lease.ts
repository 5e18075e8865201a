import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { SaleRef } from './sale.ts';
import type { Db } from '../platform/mysql/client.ts';
import { findSale } from './products-table.ts';
import { readStamp, stampFence } from './stamps-table.ts';
import type { SaleCommands } from './sale-commands.ts';
import type { Metrics } from '../platform/telemetry/metrics.ts';

export const LEASE_LIFE_MS = 3_000;
/**
 * How long services and operators' calls wait for a lease. This is longer than a holder keeps it
 * after another process begins to wait.
 */
export const LEASE_WAIT_MS = 2_000;
/**
 * How long an attempt is remembered, so that the holder sees that another process waits. Longer
 * than the pause between two attempts.
 */
const WAIT_REMEMBERED_MS = 300;
const RETRY_MS_MIN = 5;
const RETRY_MS_SPREAD = 20;

/**
 * The purpose of a lease. `loaded`: work on a sale in Redis that, by the ledger, was last loaded in
 * this history. `any`: the sale may be new to Redis, or another history may have it, as before it
 * is loaded.
 */
export type LeaseOf = 'loaded' | 'any';

export type LeaseMetrics = Pick<Metrics, 'leaseWaitSeconds' | 'leasesLost' | 'fencingRefusals'>;

/** The lease belongs to another process or to none: do not touch what it protects. */
export class LeaseLost extends Error {
  constructor(sale: SaleRef) {
    super(`The lease of sale ${sale.id} is lost`);
    this.name = 'LeaseLost';
  }
}

/**
 * The sale was last loaded in another history of Redis. This history is either older (another
 * server was promoted beside this master), or it gets the sale when it is loaded here.
 */
export class LoadedElsewhere extends LeaseLost {}

/**
 * The right to move orders of one sale into the ledger, or to rebuild the sale. Redis grants it for
 * `LEASE_LIFE_MS`; it is renewed after each third of that time until it is released or lost. The
 * data stays safe even if a holder does not notice the loss: every script compares `text`, and
 * every transaction compares the fencing token (M. Kleppmann, "How to do distributed locking",
 * 2016).
 */
export class Lease {
  readonly sale: SaleRef;
  /** Higher with each acquisition. */
  readonly fencingToken: number;
  /** The history of Redis that granted the lease. */
  readonly historyId: string;
  /** Compared by the scripts: the fencing token and a unique name of this acquisition. */
  readonly text: string;
  readonly #commands: SaleCommands;
  readonly #lost = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #renewedMs: number;

  constructor(
    commands: SaleCommands,
    sale: SaleRef,
    { fencingToken, historyId }: Pick<Lease, 'fencingToken' | 'historyId'>,
    holder: string,
    askedMs: number,
  ) {
    this.#commands = commands;
    this.sale = sale;
    this.fencingToken = fencingToken;
    this.historyId = historyId;
    this.text = `${fencingToken} ${holder}`;
    this.#renewedMs = askedMs;
    this.#timer = setInterval(() => void this.#renew(), LEASE_LIFE_MS / 3).unref();
  }

  /** Aborted when the lease is known to be lost. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** @throws LeaseLost if the lease is lost, or was not renewed within its life */
  check(): void {
    if (performance.now() - this.#renewedMs > LEASE_LIFE_MS) this.#lost.abort();
    if (this.#lost.signal.aborted) throw new LeaseLost(this.sale);
  }

  /**
   * Ends the lease. Pass the ledger's fencing token as `ledgerFence` if it is higher than ours.
   */
  async release(ledgerFence = 0): Promise<void> {
    clearInterval(this.#timer);
    this.#lost.abort();
    await this.#commands.releaseLease(this.sale, this.text, ledgerFence);
  }

  async #renew(): Promise<void> {
    const askedMs = performance.now();
    try {
      if (await this.#commands.renewLease(this.sale, this.text, LEASE_LIFE_MS)) {
        this.#renewedMs = askedMs;
      } else {
        clearInterval(this.#timer);
        this.#lost.abort();
      }
    } catch {
      // Redis does not answer: check() decides by the remaining life.
    }
  }
}

/**
 * Takes the lease of a sale. Tries again for `waitMs` if another process holds it. The ledger does
 * not know the lease before it is stamped there.
 *
 * @returns undefined if the lease was not free in time
 */
export async function acquireLease(
  commands: SaleCommands,
  sale: SaleRef,
  waitMs: number,
  { of = 'any', metrics }: { readonly of?: LeaseOf; readonly metrics?: LeaseMetrics | undefined } = {},
): Promise<Lease | undefined> {
  const waited = metrics?.leaseWaitSeconds.startTimer();
  const untilMs = performance.now() + waitMs;
  const holder = randomUUID();
  for (;;) {
    const askedMs = performance.now();
    const taken = await commands.acquireLease(sale, holder, {
      lifeMs: LEASE_LIFE_MS,
      waitMs: WAIT_REMEMBERED_MS,
      mayBeNew: of === 'any',
    });
    if (taken !== undefined) {
      waited?.({ outcome: 'taken' });
      return new Lease(commands, sale, taken, holder, askedMs);
    }
    const pauseMs = RETRY_MS_MIN + Math.random() * RETRY_MS_SPREAD;
    if (performance.now() + pauseMs > untilMs) {
      waited?.({ outcome: 'held_elsewhere' });
      return undefined;
    }
    await delay(pauseMs);
  }
}

/**
 * Runs `work` under a lease that is stamped in the ledger: no transaction of an earlier holder can
 * commit any more. If the ledger's fencing token is not lower than ours (Redis has lost its
 * counter), this raises the counter and takes the lease again.
 *
 * @returns the result of `work`, or undefined if the lease was not free in time, the sale was
 * cleaned up, or it is loaded elsewhere
 * @throws LeaseLost if the lease was lost meanwhile, and the errors of `work`
 */
export async function withStampedLease<Result>(
  deps: { readonly commands: SaleCommands; readonly db: Db; readonly metrics?: LeaseMetrics },
  sale: SaleRef,
  waitMs: number,
  work: (lease: Lease) => Promise<Result>,
  of: LeaseOf = 'any',
): Promise<Result | undefined> {
  for (;;) {
    const lease = await acquireLease(deps.commands, sale, waitMs, { of, metrics: deps.metrics });
    if (lease === undefined) return undefined;
    let ledgerFence = 0;
    try {
      const historyId = of === 'loaded' ? lease.historyId : undefined;
      if (await stampFence(deps.db, sale.id, lease.fencingToken, historyId)) return await work(lease);
      deps.metrics?.fencingRefusals.inc({ at: 'mysql' });
      const stamp = await readStamp(deps.db, sale.id);
      if (historyId !== undefined && stamp !== undefined && stamp.historyId !== historyId) {
        await stopSale(deps.commands, lease);
        return undefined;
      }
      ledgerFence = stamp?.fence ?? 0;
      // The sale is cleaned up, but a list still had it, or it came back with old data.
      if (ledgerFence === 0 && stamp === undefined) await dropOld(deps, lease);
    } catch (error) {
      if (error instanceof LeaseLost) deps.metrics?.leasesLost.inc();
      throw error;
    } finally {
      await lease.release(ledgerFence).catch(() => undefined);
    }
    if (ledgerFence > 0) continue;
    if ((await findSale(deps.db, sale.id))?.cleaned === true) return undefined;
    throw new LeaseLost(sale);
  }
}

/** Deletes what Redis has of a cleaned sale: what acquiring a lease has created, or old data. */
async function dropOld({ commands, db }: Parameters<typeof withStampedLease>[0], { sale, text }: Lease): Promise<void> {
  const isOld = (await findSale(db, sale.id))?.cleaned === true;
  await commands.cleanUp(sale, text, { isOld });
}

/**
 * Cleans a sale that is still in Redis: a cleaned one that came back with old data (an older AOF,
 * or a promoted replica), or one that was deleted.
 */
export async function cleanAgain(
  deps: Parameters<typeof withStampedLease>[0],
  sale: SaleRef,
  waitMs: number,
): Promise<void> {
  try {
    // A lease of such a sale is never stamped. Instead, the sale's keys are deleted.
    await withStampedLease(deps, sale, waitMs, () => Promise.resolve());
  } catch (error) {
    if (!(error instanceof LeaseLost) || (await findSale(deps.db, sale.id)) !== undefined) throw error;
  }
}

/** Like `withStampedLease`, for a sale that Redis keeps. */
export function withLoadedLease<Result>(
  deps: Parameters<typeof withStampedLease>[0],
  sale: SaleRef,
  waitMs: number,
  work: (lease: Lease) => Promise<Result>,
): Promise<Result | undefined> {
  return withStampedLease(deps, sale, waitMs, work, 'loaded');
}

/** Stops a sale that is loaded elsewhere: orders accepted here would never be written. */
export async function stopSale(commands: SaleCommands, { sale, text }: Lease): Promise<void> {
  await commands.beginRebuild(sale, text);
}
