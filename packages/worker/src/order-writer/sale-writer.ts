import { setTimeout as delay } from 'node:timers/promises';
import { STATUS_LIFE_MS, type Order } from '@flash-sale/shared/order/order.ts';
import { jsonOfOrder } from '@flash-sale/shared/order/status-record.ts';
import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import type { HeldReservation } from '@flash-sale/shared/admission/reservation.ts';
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
  readonly orderBatchMax: number;
  readonly tracing?: Tracing | undefined;
}

/** A job of this process with orders that are not settled. */
interface WaitingJob {
  readonly unsettled: Set<string>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writes one sale's orders for all jobs of this process together (group commit). The holder of the
 * lease writes every reservation of the sale, oldest first, not only those of its own jobs: so
 * batches stay large if several workers serve one hot sale. The other jobs find that their
 * reservations are settled, and complete.
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
   * Resolves when none of these orders has a reservation any more.
   *
   * @throws NotNow if another process holds the lease or this process stops; or the error that kept
   * the orders from being written
   */
  async settle(orderNos: readonly string[]): Promise<void> {
    if (orderNos.length === 0) return;
    const done = new Promise<void>((resolve, reject) => {
      // Add the job before the check: an order that is settled meanwhile is then removed by one or
      // the other.
      const job = { unsettled: new Set(orderNos), resolve, reject };
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
   * Completes jobs without reservations. Starts to write if any reservation is left. Needs no
   * lease.
   */
  async #crossOffSettled(jobs: readonly WaitingJob[]): Promise<void> {
    const orderNos = [...new Set(jobs.flatMap(({ unsettled }) => [...unsettled]))];
    if (orderNos.length > 0) {
      const found = await this.#deps.commands.reservations(this.#sale, orderNos);
      this.#crossOff(orderNos.filter((_, i) => found[i] === undefined));
    }
    // Start the run later than this assignment: if it ended before its first wait, it would clear
    // `#running` before it is set.
    if (this.#jobs.size > 0) this.#running ??= Promise.resolve().then(() => this.#run());
  }

  #crossOff(orderNos: readonly string[]): void {
    for (const job of this.#jobs) {
      for (const orderNo of orderNos) job.unsettled.delete(orderNo);
      if (job.unsettled.size > 0) continue;
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
          throw new Error('The reservation index is inconsistent. Run `npm run ops -- repair SALE`');
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
   * Writes and settles batch after batch, until no writable order is left, the process stops, or
   * another process waits for the lease. While MySQL writes a full batch, Redis settles the
   * previous one and reads the next one, so that neither waits for the other. After a smaller batch
   * there is time for more orders to arrive.
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
        const batch = next.writable;
        if (batch.length === 0) return { wrote, wanted: false };
        const begunMs = performance.now();
        const took = this.#deps.metrics.writeSeconds.startTimer();
        const isFull = batch.length >= this.#deps.orderBatchMax;
        const work = [
          inBatchSpan(tracing, 'commit', batch, attributes, () => this.#ledgerHealth.watch(ledger.write(batch))),
          settling,
          isFull ? this.#read(lease, ledger, batch.length) : Promise.resolve(undefined),
        ] as const;
        // If one of them fails, wait for the others before the lease is released.
        await Promise.allSettled(work);
        const [orders, , after] = await Promise.all(work);
        settling = this.#settle(lease, batch, orders).then(() => took());
        this.#failStuck(ledger.stuck);
        next = after ?? (await this.#readLater(lease, ledger, begunMs + WRITE_INTERVAL_MS, settling));
        const isLast = this.#stopping || ledger.stuck.size > this.#deps.orderBatchMax;
        const isYielded = next.wanted && performance.now() > untilMs;
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
   * Reads after the previous batch is settled. If jobs wait, it reads not before `atMs`, so that a
   * few more arrive.
   */
  async #readLater(lease: Lease, ledger: LedgerWriter, atMs: number, settling: Promise<unknown>) {
    await settling;
    if (this.#jobs.size > 0) await delay(Math.max(0, atMs - performance.now()));
    return this.#read(lease, ledger);
  }

  /**
   * The oldest reservations that can be written, without the first `skip`, which are being written.
   */
  async #read(
    lease: Lease,
    { stuck }: LedgerWriter,
    skip = 0,
  ): Promise<{ wanted: boolean; writable: HeldReservation[] }> {
    const { commands, orderBatchMax } = this.#deps;
    // Stuck orders are among the oldest. Read more, so that others follow them.
    const next = await commands.nextReservations(this.#sale, lease.text, orderBatchMax + stuck.size, skip);
    if (next === undefined) throw new LeaseLost(this.#sale);
    return { wanted: next.wanted, writable: next.reservations.filter(({ orderNo }) => !stuck.has(orderNo)) };
  }

  /** Fails the jobs of stuck orders with the reason. They run again later. */
  #failStuck(stuck: ReadonlyMap<string, unknown>): void {
    for (const [orderNo, error] of stuck) {
      for (const job of this.#jobs) if (job.unsettled.has(orderNo)) this.#fail(job, error);
    }
  }

  /**
   * Runs after the commit: removes the reservations, notifies pollers, and completes jobs without
   * reservations.
   */
  async #settle(lease: Lease, batch: readonly HeldReservation[], orders: readonly Order[]): Promise<void> {
    if (orders.length === 0) return;
    const { commands, log } = this.#deps;
    if (!(await commands.settle(this.#sale, lease.text, STATUS_LIFE_MS, orders.map(statusRecord))))
      throw new LeaseLost(this.#sale);
    const requestOf = new Map(batch.map(({ orderNo, requestId }) => [orderNo, requestId]));
    log.info(
      {
        sale: this.#sale.id,
        fence: lease.fencingToken,
        orders: orders.map(({ orderNo, status }) => [orderNo, status, requestOf.get(orderNo)]),
      },
      'orders written',
    );
    this.#crossOff(orders.map(({ orderNo }) => orderNo));
  }
}

function statusRecord(order: Order): { orderNo: string; version: number; status: string } {
  return { orderNo: order.orderNo, version: order.version, status: jsonOfOrder(order) };
}
