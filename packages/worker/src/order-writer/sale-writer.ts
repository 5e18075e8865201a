import { setTimeout as delay } from 'node:timers/promises';
import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import { acquireLease, LeaseLost, LoadedElsewhere, stopSale, type Lease } from '@flash-sale/shared/sale/lease.ts';
import { LedgerHealth } from './ledger-health.ts';
import { FenceBehind } from './ledger-writer.ts';
import { OutboxDrain, type OutboxDrainDeps } from './outbox-drain.ts';
import { WaitingJobs } from './waiting-jobs.ts';

/** How long a sale's jobs wait for the lease before they return to the queue. */
const JOBS_WAIT_MS = 100;
/**
 * Longer than the pause between two attempts of `acquireLease`, so that the waiting process gets
 * the lease.
 */
const LEASE_YIELD_MS = 30;

/** A turn may find nothing if a job arrived just after it. This many in a row mean a fault. */
const IDLE_TURNS_MAX = 3;

/** The jobs did nothing and should run again later. This is no fault. */
export class NotNow extends Error {
  constructor(reason: 'lease held elsewhere' | 'stopping') {
    super(reason);
    this.name = 'NotNow';
  }
}

export type SaleWriterDeps = OutboxDrainDeps;

/**
 * Writes one sale's orders for all jobs of this process together (group commit). The holder of the
 * lease writes every batch of the sale, oldest first, not only those of its own jobs: so
 * transactions stay large if several workers serve one hot sale. The other jobs find that their
 * batches are settled, and complete.
 */
export class SaleWriter {
  readonly #deps: SaleWriterDeps;
  readonly #sale: SaleRef;
  readonly #ledgerHealth: LedgerHealth;
  readonly #jobs = new WaitingJobs();
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(deps: SaleWriterDeps, sale: SaleRef, ledgerHealth = new LedgerHealth(deps.db)) {
    this.#deps = deps;
    this.#sale = sale;
    this.#ledgerHealth = ledgerHealth;
  }

  /** The present run, or undefined. */
  get running(): Promise<void> | undefined {
    return this.#running;
  }

  /**
   * Resolves when the batch is settled.
   *
   * @throws NotNow if another process holds the lease or this process stops; or the error that kept
   * its orders from being written
   */
  async settle(batchNo: string): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      // Add the job before the check: a batch that is settled meanwhile is then removed by one or
      // the other.
      const job = { batchNo, resolve, reject };
      this.#jobs.add(job);
      this.#completeSettled(new Set([batchNo])).catch((error: unknown) => this.#jobs.fail(job, error));
    });
    return done;
  }

  /** Stops after the present transaction. The jobs return to the queue. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** Completes the jobs of those batches that are settled. Starts to write if any job is left. */
  async #completeSettled(batchNos: Set<string>): Promise<void> {
    if (batchNos.size > 0) {
      for (const batchNo of await this.#deps.commands.whichWait(this.#sale, [...batchNos])) batchNos.delete(batchNo);
      this.#jobs.complete(batchNos);
    }
    // Start the run later than this assignment: if it ended before its first wait, it would clear
    // `#running` before it is set.
    if (this.#jobs.size > 0) this.#running ??= Promise.resolve().then(() => this.#run());
  }

  /** Writes until no job is left or an error stops it. */
  async #run(): Promise<void> {
    try {
      for (let idleTurns = 0; this.#jobs.size > 0;) {
        if (this.#stopping.signal.aborted) throw new NotNow('stopping');
        // Check this before the lease: a process that cannot reach MySQL must not take the lease
        // from one that can.
        await this.#ledgerHealth.check();
        const lease = await acquireLease(this.#deps.commands, this.#sale, JOBS_WAIT_MS, {
          of: 'loaded',
          metrics: this.#deps.metrics,
        });
        if (lease === undefined) {
          await this.#completeSettled(this.#jobs.batchNos());
          if (this.#jobs.size > 0) throw new NotNow('lease held elsewhere');
          return;
        }
        idleTurns = (await this.#takeTurn(lease)) ? 0 : idleTurns + 1;
        if (idleTurns === IDLE_TURNS_MAX)
          throw new Error('The index of the batches is inconsistent. Run `npm run ops -- repair SALE`');
      }
    } catch (error) {
      if (error instanceof LeaseLost) this.#deps.metrics.leasesLost.inc();
      this.#jobs.failAll(error);
    } finally {
      this.#running = undefined;
    }
  }

  /** Takes one turn: writes under the lease, then releases it. Returns whether it did anything. */
  async #takeTurn(lease: Lease): Promise<boolean> {
    let ledgerFence = 0;
    let turn = { wrote: true, yields: false };
    try {
      // The previous holder of the lease has written most of our jobs' orders.
      await this.#completeSettled(this.#jobs.batchNos());
      if (this.#jobs.size > 0) turn = await this.#drain(lease);
    } catch (error) {
      if (error instanceof LoadedElsewhere) await stopSale(this.#deps.commands, lease).catch(() => undefined);
      if (!(error instanceof FenceBehind)) throw error;
      // 0: the ledger has no such sale. Else take the lease again, with a token above the ledger's.
      if (error.ledgerFence === 0) throw new LeaseLost(this.#sale);
      ledgerFence = error.ledgerFence;
    } finally {
      await lease.release(ledgerFence).catch(() => undefined);
    }
    if (turn.yields) await delay(LEASE_YIELD_MS);
    return turn.wrote;
  }

  #drain(lease: Lease): Promise<{ wrote: boolean; yields: boolean }> {
    const shared = { ledgerHealth: this.#ledgerHealth, jobs: this.#jobs, stopping: this.#stopping.signal };
    return new OutboxDrain(this.#deps, lease, shared).run();
  }
}
