import { setTimeout as delay } from 'node:timers/promises';
import { STATUS_LIFE_MS, type Order } from '@flash-sale/shared/domain/order.ts';
import type { SaleRef } from '@flash-sale/shared/domain/sale.ts';
import type { Commands, HeldReservation } from '@flash-sale/shared/redis/commands.ts';
import { acquireLease, LeaseLost, type Lease } from '@flash-sale/shared/sale/lease.ts';
import { FenceBehind, LedgerWriter, type LedgerWriterDeps } from './ledger-writer.ts';

/** How long a sale's jobs wait for the lease before they go back to the queue. */
const LEASE_WAIT_MS = 100;
/** After this long a holder lets somebody else have the lease who waits for it. */
const LEASE_HOLD_MS = 1_000;
/** Longer than the pause between two tries of `acquireLease`, so that the one who waits gets it. */
const LEASE_YIELD_MS = 30;

/** The jobs did nothing and should come back later; no fault. */
export class NotNow extends Error {
  constructor(reason: 'lease held elsewhere' | 'stopping') {
    super(reason);
    this.name = 'NotNow';
  }
}

export interface SaleWriterDeps extends LedgerWriterDeps {
  readonly commands: Commands;
  readonly order_batch_max: number;
}

/** A job of this process whose orders are not all settled. */
interface WaitingJob {
  readonly unsettled: Set<string>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writes one sale's orders for all the jobs of this process together (group commit). Whoever holds the lease writes every reservation of the
 * sale, oldest first, not only those of its own jobs: with several workers on one hot sale that is what keeps batches
 * large. The other jobs find their reservations gone and complete.
 */
export class SaleWriter {
  readonly #deps: SaleWriterDeps;
  readonly #sale: SaleRef;
  readonly #jobs = new Set<WaitingJob>();
  #running: Promise<void> | undefined;
  #stopping = false;

  constructor(deps: SaleWriterDeps, sale: SaleRef) {
    this.#deps = deps;
    this.#sale = sale;
  }

  /** Whether nothing is under way. */
  get idle(): boolean {
    return this.#running === undefined;
  }

  /**
   * Resolves when none of these orders has a reservation any more.
   *
   * @throws NotNow where the lease is held elsewhere or the process stops; whatever kept the orders from being written
   */
  async settle(orderNos: readonly string[]): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      // Known to the writer before it is checked: orders that are settled meanwhile are crossed off by one or the other.
      const job = { unsettled: new Set(orderNos), resolve, reject };
      this.#jobs.add(job);
      this.#crossOffSettled([job]).catch((error: unknown) => this.#fail(job, error));
    });
    return done;
  }

  /** Ends after the transaction that is under way; the jobs go back to the queue. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  /** Completes jobs whose reservations are gone, and starts to write where one is left. Takes no lease. */
  async #crossOffSettled(jobs: readonly WaitingJob[]): Promise<void> {
    const orderNos = [...new Set(jobs.flatMap(({ unsettled }) => [...unsettled]))];
    if (orderNos.length > 0) {
      const found = await this.#deps.commands.reservations(this.#sale, orderNos);
      this.#crossOff(orderNos.filter((_, i) => found[i] === undefined));
    }
    // Never run within this assignment: a run that ends before it first waits would clear `#running` before it is set.
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

  /** Writes until no job is left, or something keeps it from writing. */
  async #run(): Promise<void> {
    try {
      while (this.#jobs.size > 0) {
        if (this.#stopping) throw new NotNow('stopping');
        const lease = await acquireLease(this.#deps.commands, this.#sale, LEASE_WAIT_MS);
        // Whoever held the lease until now has written most of what our jobs wait for.
        await this.#crossOffSettled([...this.#jobs]);
        if (lease === undefined) {
          if (this.#jobs.size > 0) throw new NotNow('lease held elsewhere');
          return;
        }
        await this.#writeUnder(lease);
      }
    } catch (error) {
      if (error instanceof LeaseLost) this.#deps.metrics.leases_lost.inc();
      for (const job of this.#jobs) this.#fail(job, error);
    } finally {
      this.#running = undefined;
    }
  }

  async #writeUnder(lease: Lease): Promise<void> {
    let ledger_fence = 0;
    let yielded = false;
    try {
      yielded = await this.#drain(lease);
    } catch (error) {
      if (!(error instanceof FenceBehind)) throw error;
      // The lease is taken anew, above the ledger's fencing token.
      ledger_fence = error.ledger_fence;
    } finally {
      await lease.release(ledger_fence).catch(() => undefined);
    }
    if (yielded) await delay(LEASE_YIELD_MS);
  }

  /**
   * Writes and settles batch after batch until nothing is left, the process stops, or it is somebody else's turn.
   *
   * @returns whether the lease is given up for somebody else
   */
  async #drain(lease: Lease): Promise<boolean> {
    const ledger = new LedgerWriter(this.#deps, lease);
    const until_ms = performance.now() + LEASE_HOLD_MS;
    for (;;) {
      lease.check();
      const next = await this.#deps.commands.nextReservations(this.#sale, lease.text, this.#deps.order_batch_max);
      if (next === undefined) throw new LeaseLost(this.#sale);
      if (next.reservations.length === 0) return false;
      await this.#writeBatch(lease, ledger, next.reservations);
      if (this.#stopping) return false;
      if (next.wanted && performance.now() > until_ms) return true;
    }
  }

  async #writeBatch(lease: Lease, ledger: LedgerWriter, reservations: readonly HeldReservation[]): Promise<void> {
    const { commands, metrics, log } = this.#deps;
    const took = metrics.write_seconds.startTimer();
    const orders = await ledger.write(reservations);
    if (!(await commands.settle(this.#sale, lease.text, STATUS_LIFE_MS, orders.map(statusRecord))))
      throw new LeaseLost(this.#sale);
    took();
    const requestOf = new Map(reservations.map(({ order_no, request_id }) => [order_no, request_id]));
    log.info(
      {
        sale: this.#sale.id,
        fence: lease.fencing_token,
        orders: orders.map(({ order_no, status }) => [order_no, status, requestOf.get(order_no)]),
      },
      'orders written',
    );
    this.#crossOff(orders.map(({ order_no }) => order_no));
  }
}

function statusRecord(order: Order): { order_no: string; version: number; status: string } {
  return { order_no: order.order_no, version: order.version, status: JSON.stringify(order) };
}
