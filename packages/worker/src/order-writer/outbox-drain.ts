import { setTimeout as delay } from 'node:timers/promises';
import { SETTLED_LIFE_MS, type Order } from '@flash-sale/shared/order/order.ts';
import { settledLineOf } from '@flash-sale/shared/order/settled-record.ts';
import { settlementOf, type HeldBatch, type HeldReservation } from '@flash-sale/shared/admission/batch.ts';
import type { NextBatches } from '@flash-sale/shared/admission/outbox-commands.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import { LeaseLost, type Lease } from '@flash-sale/shared/sale/lease.ts';
import { inBatchSpan } from '@flash-sale/shared/platform/telemetry/tracing.ts';
import type { Tracing } from '@flash-sale/shared/platform/telemetry/tracing-types.ts';
import type { LedgerHealth } from './ledger-health.ts';
import { LedgerWriter, type LedgerWriterDeps } from './ledger-writer.ts';
import type { WaitingJobs } from './waiting-jobs.ts';

/** After this time a holder releases the lease if another process waits for it. */
const LEASE_HOLD_MS = 1_000;

/**
 * The minimum time between two transactions of a sale, unless the first was full: a few large ones
 * cost less than many small ones. A single order does not wait.
 */
const WRITE_INTERVAL_MS = 25;

export interface OutboxDrainDeps extends LedgerWriterDeps {
  readonly commands: Commands;
  readonly tracing?: Tracing | undefined;
}

/** Batches, and those of their orders that are not stuck. */
interface Readable extends NextBatches {
  readonly writable: readonly HeldReservation[];
}

/** Moves a sale's batches from the outbox into the ledger, under one lease. */
export class OutboxDrain {
  readonly #deps: OutboxDrainDeps;
  readonly #lease: Lease;
  readonly #ledger: LedgerWriter;
  readonly #ledgerHealth: LedgerHealth;
  readonly #jobs: WaitingJobs;
  readonly #stopping: AbortSignal;

  constructor(
    deps: OutboxDrainDeps,
    lease: Lease,
    {
      ledgerHealth,
      jobs,
      stopping,
    }: { readonly ledgerHealth: LedgerHealth; readonly jobs: WaitingJobs; readonly stopping: AbortSignal },
  ) {
    this.#deps = deps;
    this.#lease = lease;
    this.#ledger = new LedgerWriter(deps, lease);
    this.#ledgerHealth = ledgerHealth;
    this.#jobs = jobs;
    this.#stopping = stopping;
  }

  /**
   * Writes and settles batches, a transaction of them at a time, until no writable order is left,
   * the process stops, or another process waits for the lease. While MySQL writes a full
   * transaction, Redis settles the previous one and reads the next one, so that neither waits for
   * the other. After a smaller one there is time for more orders to arrive.
   *
   * @returns whether anything was written, and whether another process waits for the lease
   */
  async run(): Promise<{ wrote: boolean; yields: boolean }> {
    const untilMs = performance.now() + LEASE_HOLD_MS;
    let settling: Promise<unknown> = Promise.resolve();
    try {
      let next = await this.#read();
      for (let wrote = false; ; wrote = true) {
        this.#lease.check();
        const { batches, writable, hasMore } = next;
        if (writable.length === 0) return { wrote, yields: false };
        const begunMs = performance.now();
        const took = this.#deps.metrics.writeSeconds.startTimer();
        const work = [
          this.#write(writable),
          settling,
          hasMore ? this.#read(batches.length) : Promise.resolve(undefined),
        ] as const;
        // If one of them fails, wait for the others before the lease is released.
        await Promise.allSettled(work);
        const [orders, , after] = await Promise.all(work);
        settling = this.#settle(batches, orders).then(() => took());
        this.#failStuck(batches);
        next = after ?? (await this.#readLater(begunMs + WRITE_INTERVAL_MS, settling));
        const isLast = this.#stopping.aborted || this.#ledger.stuck.size > this.#deps.orderBatchMax;
        const isYielded = next.isWanted && performance.now() > untilMs;
        if (!isLast && !isYielded && next.writable.length > 0) continue;
        await settling;
        if (isLast || isYielded) return { wrote: true, yields: !isLast };
        // Read what arrived meanwhile, and what the skip has missed because positions changed.
        next = await this.#read();
      }
    } finally {
      // If something else has failed, report that error.
      await settling.catch(() => undefined);
    }
  }

  #write(reservations: readonly HeldReservation[]): Promise<Order[]> {
    const { sale, fencingToken } = this.#lease;
    const attributes = { 'seckill.sale': sale.id, 'seckill.fence': fencingToken };
    return inBatchSpan(this.#deps.tracing, 'commit', reservations, attributes, () =>
      this.#ledgerHealth.watch(this.#ledger.write(reservations)),
    );
  }

  /**
   * Reads after the previous batches are settled. If jobs wait, it reads not before `atMs`, so that
   * a few more arrive.
   */
  async #readLater(atMs: number, settling: Promise<unknown>): Promise<Readable> {
    await settling;
    if (this.#jobs.size > 0) await delay(Math.max(0, atMs - performance.now()));
    return this.#read();
  }

  /**
   * The oldest batches that have orders to write, without the first `skip`, which are being
   * written.
   */
  async #read(skip = 0): Promise<Readable> {
    const { commands, orderBatchMax } = this.#deps;
    const { sale, text } = this.#lease;
    const { stuck } = this.#ledger;
    // Stuck orders are among the oldest. Read more, so that others follow them.
    const next = await commands.nextBatches(sale, text, orderBatchMax + stuck.size, { skip, stuck: stuck.size });
    if (next === undefined) throw new LeaseLost(sale);
    const reservations = next.batches.flatMap((batch) => batch.reservations);
    return { ...next, writable: reservations.filter(({ orderNo }) => !stuck.has(orderNo)) };
  }

  /** Fails the jobs of batches with stuck orders, with the reason. They run again later. */
  #failStuck(batches: readonly HeldBatch[]): void {
    const { stuck } = this.#ledger;
    if (stuck.size === 0) return;
    for (const { batchNo, reservations } of batches) {
      const first = reservations.find(({ orderNo }) => stuck.has(orderNo));
      if (first !== undefined) this.#jobs.failBatch(batchNo, stuck.get(first.orderNo));
    }
  }

  /**
   * Runs after the commit: moves the batches out of the outbox except for stuck orders, notifies
   * pollers, and completes the jobs.
   */
  async #settle(batches: readonly HeldBatch[], orders: readonly Order[]): Promise<void> {
    if (orders.length === 0) return;
    const { commands, log } = this.#deps;
    const { sale, text, fencingToken } = this.#lease;
    const written = new Map(orders.map((order) => [order.orderNo, order]));
    const settlements = batches
      .map((batch) =>
        settlementOf(batch, ({ orderNo, admittedMs }) => {
          const order = written.get(orderNo);
          return order === undefined ? undefined : settledLineOf(order, admittedMs);
        }),
      )
      .filter(({ settled }) => settled.length > 0);
    if (!(await commands.settle(sale, text, SETTLED_LIFE_MS, settlements))) throw new LeaseLost(sale);
    log.info(
      {
        sale: sale.id,
        fence: fencingToken,
        orders: batches.flatMap(({ reservations }) =>
          reservations.map(({ orderNo, requestId }) => [orderNo, written.get(orderNo)?.status, requestId]),
        ),
      },
      'orders written',
    );
    const whole = settlements.filter(({ stuck }) => stuck.length === 0);
    this.#jobs.complete(new Set(whole.map(({ batchNo }) => batchNo)));
  }
}
