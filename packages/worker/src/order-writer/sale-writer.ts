import { setTimeout as delay } from 'node:timers/promises';
import { SETTLED_LIFE_MS, type Order } from '@flash-sale/shared/order/order.ts';
import { settledLineOf } from '@flash-sale/shared/order/settled-record.ts';
import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import { settlementOf, type HeldBatch, type HeldReservation } from '@flash-sale/shared/admission/batch.ts';
import type { NextBatches } from '@flash-sale/shared/admission/outbox-commands.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import { acquireLease, LeaseLost, LoadedElsewhere, stopSale, type Lease } from '@flash-sale/shared/sale/lease.ts';
import { inBatchSpan } from '@flash-sale/shared/platform/telemetry/tracing.ts';
import type { Tracing } from '@flash-sale/shared/platform/telemetry/tracing-types.ts';
import { LedgerHealth } from './ledger-health.ts';
import { FenceBehind, LedgerWriter, type LedgerWriterDeps } from './ledger-writer.ts';

/** How long a sale's jobs wait for the lease before they return to the queue. */
const JOBS_WAIT_MS = 100;
/** After this time a holder releases the lease if another process waits for it. */
const LEASE_HOLD_MS = 1_000;
/**
 * Longer than the pause between two attempts of `acquireLease`, so that the waiting process gets
 * the lease.
 */
const LEASE_YIELD_MS = 30;

/**
 * The minimum time between two transactions of a sale, unless the first was full: a few large ones
 * cost less than many small ones. A single order does not wait.
 */
const WRITE_INTERVAL_MS = 25;

/** A turn may find nothing if a job arrived just after it. This many in a row mean a fault. */
const IDLE_TURNS_MAX = 3;

/** The jobs did nothing and should run again later. This is no fault. */
export class NotNow extends Error {
  constructor(reason: 'lease held elsewhere' | 'stopping') {
    super(reason);
    this.name = 'NotNow';
  }
}

export interface SaleWriterDeps extends LedgerWriterDeps {
  readonly commands: Commands;
  readonly tracing?: Tracing | undefined;
}

/** A job of this process whose batch is not settled. */
interface WaitingJob {
  readonly batchNo: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

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
  readonly #jobs = new Set<WaitingJob>();
  #running: Promise<void> | undefined;
  #stopping = false;

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
      this.#crossOffSettled([job]).catch((error: unknown) => this.#fail(job, error));
    });
    return done;
  }

  /** Stops after the present transaction. The jobs return to the queue. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  /**
   * Completes the jobs whose batches are settled. Starts to write if any is left. Needs no lease.
   */
  async #crossOffSettled(jobs: readonly WaitingJob[]): Promise<void> {
    const batchNos = new Set(jobs.map(({ batchNo }) => batchNo));
    if (batchNos.size > 0) {
      for (const batchNo of await this.#deps.commands.whichWait(this.#sale, [...batchNos])) batchNos.delete(batchNo);
      this.#crossOff(batchNos);
    }
    // Start the run later than this assignment: if it ended before its first wait, it would clear
    // `#running` before it is set.
    if (this.#jobs.size > 0) this.#running ??= Promise.resolve().then(() => this.#run());
  }

  #crossOff(batchNos: ReadonlySet<string>): void {
    for (const job of this.#jobs) {
      if (!batchNos.has(job.batchNo)) continue;
      this.#jobs.delete(job);
      job.resolve();
    }
  }

  #fail(job: WaitingJob, error: unknown): void {
    if (this.#jobs.delete(job)) job.reject(error);
  }

  /** Writes until no job is left or an error stops it. */
  async #run(): Promise<void> {
    try {
      for (let idleTurns = 0; this.#jobs.size > 0;) {
        if (this.#stopping) throw new NotNow('stopping');
        // Check this before the lease: a process that cannot reach MySQL must not take the lease
        // from one that can.
        await this.#ledgerHealth.check();
        const lease = await acquireLease(this.#deps.commands, this.#sale, JOBS_WAIT_MS, {
          of: 'loaded',
          metrics: this.#deps.metrics,
        });
        if (lease === undefined) {
          await this.#crossOffSettled([...this.#jobs]);
          if (this.#jobs.size > 0) throw new NotNow('lease held elsewhere');
          return;
        }
        idleTurns = (await this.#takeTurn(lease)) ? 0 : idleTurns + 1;
        if (idleTurns === IDLE_TURNS_MAX)
          throw new Error('The index of the batches is inconsistent. Run `npm run ops -- repair SALE`');
      }
    } catch (error) {
      if (error instanceof LeaseLost) this.#deps.metrics.leasesLost.inc();
      for (const job of this.#jobs) this.#fail(job, error);
    } finally {
      this.#running = undefined;
    }
  }

  /** Takes one turn: writes under the lease, then releases it. Returns whether it did anything. */
  async #takeTurn(lease: Lease): Promise<boolean> {
    let ledgerFence = 0;
    let turn = { wrote: true, wanted: false };
    try {
      // The previous holder of the lease has written most of our jobs' orders.
      await this.#crossOffSettled([...this.#jobs]);
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
    if (turn.wanted) await delay(LEASE_YIELD_MS);
    return turn.wrote;
  }

  /**
   * Writes and settles batches, a transaction of them at a time, until no writable order is left,
   * the process stops, or another process waits for the lease. While MySQL writes a full
   * transaction, Redis settles the previous one and reads the next one, so that neither waits for
   * the other. After a smaller one there is time for more orders to arrive.
   *
   * @returns whether anything was written, and whether the lease is released for another process
   */
  async #drain(lease: Lease): Promise<{ wrote: boolean; wanted: boolean }> {
    const ledger = new LedgerWriter(this.#deps, lease);
    const { tracing } = this.#deps;
    const attributes = { 'seckill.sale': this.#sale.id, 'seckill.fence': lease.fencingToken };
    const untilMs = performance.now() + LEASE_HOLD_MS;
    let settling: Promise<unknown> = Promise.resolve();
    try {
      let next = await this.#read(lease, ledger);
      for (let wrote = false; ; wrote = true) {
        lease.check();
        const { batches, writable, hasMore } = next;
        if (writable.length === 0) return { wrote, wanted: false };
        const begunMs = performance.now();
        const took = this.#deps.metrics.writeSeconds.startTimer();
        const work = [
          inBatchSpan(tracing, 'commit', writable, attributes, () => this.#ledgerHealth.watch(ledger.write(writable))),
          settling,
          hasMore ? this.#read(lease, ledger, batches.length) : Promise.resolve(undefined),
        ] as const;
        // If one of them fails, wait for the others before the lease is released.
        await Promise.allSettled(work);
        const [orders, , after] = await Promise.all(work);
        settling = this.#settle(lease, batches, orders).then(() => took());
        this.#failStuck(batches, ledger.stuck);
        next = after ?? (await this.#readLater(lease, ledger, begunMs + WRITE_INTERVAL_MS, settling));
        const isLast = this.#stopping || ledger.stuck.size > this.#deps.orderBatchMax;
        const isYielded = next.isWanted && performance.now() > untilMs;
        if (!isLast && !isYielded && next.writable.length > 0) continue;
        await settling;
        if (isLast || isYielded) return { wrote: true, wanted: !isLast };
        // Read what arrived meanwhile, and what the skip has missed because positions changed.
        next = await this.#read(lease, ledger);
      }
    } finally {
      // If something else has failed, report that error.
      await settling.catch(() => undefined);
    }
  }

  /**
   * Reads after the previous batches are settled. If jobs wait, it reads not before `atMs`, so that
   * a few more arrive.
   */
  async #readLater(lease: Lease, ledger: LedgerWriter, atMs: number, settling: Promise<unknown>) {
    await settling;
    if (this.#jobs.size > 0) await delay(Math.max(0, atMs - performance.now()));
    return this.#read(lease, ledger);
  }

  /**
   * The oldest batches that have orders to write, without the first `skip`, which are being
   * written.
   */
  async #read(lease: Lease, { stuck }: LedgerWriter, skip = 0): Promise<Readable> {
    const { commands, orderBatchMax } = this.#deps;
    // Stuck orders are among the oldest. Read more, so that others follow them.
    const next = await commands.nextBatches(this.#sale, lease.text, orderBatchMax + stuck.size, {
      skip,
      stuck: stuck.size,
    });
    if (next === undefined) throw new LeaseLost(this.#sale);
    const reservations = next.batches.flatMap((batch) => batch.reservations);
    return { ...next, writable: reservations.filter(({ orderNo }) => !stuck.has(orderNo)) };
  }

  /** Fails the jobs of batches with stuck orders, with the reason. They run again later. */
  #failStuck(batches: readonly HeldBatch[], stuck: ReadonlyMap<string, unknown>): void {
    if (stuck.size === 0) return;
    for (const { batchNo, reservations } of batches) {
      const first = reservations.find(({ orderNo }) => stuck.has(orderNo));
      if (first === undefined) continue;
      for (const job of this.#jobs) if (job.batchNo === batchNo) this.#fail(job, stuck.get(first.orderNo));
    }
  }

  /**
   * Runs after the commit: moves the batches out of the outbox except for stuck orders, notifies
   * pollers, and completes the jobs.
   */
  async #settle(lease: Lease, batches: readonly HeldBatch[], orders: readonly Order[]): Promise<void> {
    if (orders.length === 0) return;
    const { commands, log } = this.#deps;
    const written = new Map(orders.map((order) => [order.orderNo, order]));
    const settlements = batches
      .map((batch) =>
        settlementOf(batch, ({ orderNo, admittedMs }) => {
          const order = written.get(orderNo);
          return order === undefined ? undefined : settledLineOf(order, admittedMs);
        }),
      )
      .filter(({ settled }) => settled.length > 0);
    if (!(await commands.settle(this.#sale, lease.text, SETTLED_LIFE_MS, settlements))) throw new LeaseLost(this.#sale);
    log.info(
      {
        sale: this.#sale.id,
        fence: lease.fencingToken,
        orders: batches.flatMap(({ reservations }) =>
          reservations.map(({ orderNo, requestId }) => [orderNo, written.get(orderNo)?.status, requestId]),
        ),
      },
      'orders written',
    );
    this.#crossOff(new Set(settlements.filter(({ stuck }) => stuck.length === 0).map(({ batchNo }) => batchNo)));
  }
}

/** Batches, and those of their orders that are not stuck. */
interface Readable extends NextBatches {
  readonly writable: readonly HeldReservation[];
}
