import { setTimeout as delay } from 'node:timers/promises';
import type { FailureReason, Order } from '@flash-sale/shared/order/order.ts';
import type { Db, Tx } from '@flash-sale/shared/platform/mysql/client.ts';
import { isDuplicate, isRejectedByMysql } from '@flash-sale/shared/platform/mysql/errors.ts';
import { insertOrderEvents } from '@flash-sale/shared/order-events/order-events-table.ts';
import { findOrders, insertOrders } from '@flash-sale/shared/order/orders-table.ts';
import { addSold } from '@flash-sale/shared/sale/products-table.ts';
import { lockSale, readStamp, stampFence, type LockedSale } from '@flash-sale/shared/sale/stamps-table.ts';
import { unitsOf } from '@flash-sale/shared/sale/owner.ts';
import { addToCounters, changesOfWritten } from '@flash-sale/shared/sale/sale-counters-table.ts';
import { insertStockReturns } from '@flash-sale/shared/order/stock-returns-table.ts';
import type { HeldReservation } from '@flash-sale/shared/admission/batch.ts';
import { LeaseLost, LoadedElsewhere, type Lease } from '@flash-sale/shared/sale/lease.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';

const TRIES_MAX = 3;
const RETRY_PAUSE_MS = 20;

/**
 * The ledger's fencing token is not lower than ours: Redis has lost its counter, or our own stamp
 * was committed and its reply was lost.
 */
export class FenceBehind extends Error {
  readonly ledgerFence: number;

  constructor(ledgerFence: number) {
    super(`The ledger's fencing token is ${ledgerFence} already`);
    this.name = 'FenceBehind';
    this.ledgerFence = ledgerFence;
  }
}

export interface LedgerWriterDeps {
  readonly db: Db;
  /** Maximum number of orders in a transaction. */
  readonly orderBatchMax: number;
  /** The time to pay, counted from the commit. */
  readonly paymentTimeoutMs: number;
  /** Whether order events have a receiver. */
  readonly orderEvents: boolean;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Writes reservations into the ledger under one lease. Its first transaction stamps the lease's
 * fencing token; each later one checks it on the locked row. So a holder that has lost its lease
 * commits nothing.
 */
export class LedgerWriter {
  /** Orders that MySQL rejects even as failed orders, with the reason. Their reservations stay. */
  readonly stuck = new Map<string, unknown>();
  readonly #deps: LedgerWriterDeps;
  readonly #lease: Lease;
  #stamped = false;

  constructor(deps: LedgerWriterDeps, lease: Lease) {
    this.#deps = deps;
    this.#lease = lease;
  }

  /**
   * Writes a row for every reservation: `pending_payment`, or `failed` with its reason if it holds
   * no units, the sale has too few left, or MySQL rejects its data. Safe to repeat: existing rows
   * are found by order number.
   *
   * @returns the orders as they are in the ledger now, earlier rows included, without those that
   * are `stuck`
   * @throws LeaseLost, FenceBehind, or the database's error after several attempts of the whole
   * transaction
   */
  async write(batch: readonly HeldReservation[]): Promise<Order[]> {
    const { orderBatchMax } = this.#deps;
    if (batch.length > orderBatchMax)
      return [...(await this.write(batch.slice(0, orderBatchMax))), ...(await this.write(batch.slice(orderBatchMax)))];
    try {
      return await this.#retrying(() => this.#transact(batch));
    } catch (error) {
      if (!isRejectedByMysql(error)) throw error;
      if (batch.length === 1) return this.#writeFailed(batch[0]!, error);
      // Halve the batch until the rejected order is alone, so that the others are written.
      const middle = batch.length >> 1;
      return [...(await this.write(batch.slice(0, middle))), ...(await this.write(batch.slice(middle)))];
    }
  }

  /**
   * Writes an order that MySQL rejects as `failed`. If MySQL rejects that row too, the order is
   * stuck and the others go on.
   */
  async #writeFailed(reservation: HeldReservation, refusal: unknown): Promise<Order[]> {
    const { orderNo } = reservation;
    this.#deps.log.error({ err: refusal, order_no: orderNo, sale: this.#lease.sale.id }, 'MySQL refused the order');
    try {
      return await this.#retrying(() => this.#transact([reservation], 'refused'));
    } catch (error) {
      if (!isRejectedByMysql(error)) throw error;
      this.stuck.set(orderNo, error);
      return [];
    }
  }

  /** Runs the whole transaction again after a temporary error. */
  async #retrying(transact: () => Promise<Order[]>): Promise<Order[]> {
    for (let tries = 1; ; tries += 1) {
      this.#lease.check();
      try {
        return await transact();
      } catch (error) {
        const final = isRejectedByMysql(error) || error instanceof LeaseLost || error instanceof FenceBehind;
        if (final || tries === TRIES_MAX) throw error;
        this.#deps.metrics.writeRetries.inc();
        this.#deps.log.warn({ err: error, sale: this.#lease.sale.id, tries }, 'retrying the transaction');
        await delay(RETRY_PAUSE_MS * tries * Math.random());
      }
    }
  }

  /** One transaction: the sale's row first, then the new rows. With `verdict`, all orders fail. */
  async #transact(batch: readonly HeldReservation[], verdict?: FailureReason): Promise<Order[]> {
    const { id, shard } = this.#lease.sale;
    const { db, orderEvents, metrics } = this.#deps;
    const { there, fresh, live } = await db
      .transaction()
      .setIsolationLevel('read committed')
      .execute(async (tx) => {
        const sale = await this.#lockSale(tx);
        const orders = await this.#insertOrders(tx, batch, sale, verdict);
        const pending = orders.fresh.filter(({ status }) => status !== 'failed');
        const failed = orders.fresh.filter(({ status }) => status === 'failed');
        const nowMs = sale.now.getTime();
        await insertStockReturns(tx, failed, nowMs);
        if (orderEvents) await insertOrderEvents(tx, id, [...pending, ...failed], nowMs);
        await addToCounters(tx, id, changesOfWritten(orders.fresh, nowMs));
        if (pending.length > 0) await addSold(tx, id, unitsOf(pending));
        return { ...orders, live: pending.length };
      });
    this.#stamped = true;
    metrics.writeBatch.observe(batch.length);
    metrics.ordersWritten.inc({ shard, status: 'pending_payment' }, live);
    metrics.ordersWritten.inc({ shard, status: 'failed' }, fresh.length - live);
    return [...there, ...fresh];
  }

  /** Locks the sale's row, after the first transaction of the lease has stamped it. */
  async #lockSale(tx: Tx): Promise<LockedSale> {
    const { sale: ref, fencingToken, historyId } = this.#lease;
    const { metrics } = this.#deps;
    if (!this.#stamped && !(await stampFence(tx, ref.id, fencingToken, historyId))) {
      metrics.fencingRefusals.inc({ at: 'mysql' });
      const stamp = await readStamp(tx, ref.id);
      if (stamp !== undefined && stamp.historyId !== historyId) throw new LoadedElsewhere(ref);
      throw new FenceBehind(stamp?.fence ?? 0);
    }
    const sale = await lockSale(tx, ref.id, fencingToken);
    if (sale === undefined) {
      metrics.fencingRefusals.inc({ at: 'mysql' });
      throw new LeaseLost(ref);
    }
    return sale;
  }

  /**
   * Inserts the orders of a batch. Some exist already only if a writer crashed before it settled
   * them: their rows make the INSERT fail, and only then are they searched for. A search in every
   * transaction took a tenth of the time of writing an order.
   */
  async #insertOrders(
    tx: Tx,
    batch: readonly HeldReservation[],
    { seckillStock, sold, now }: LockedSale,
    verdict: FailureReason | undefined,
  ): Promise<{ there: readonly Order[]; fresh: readonly Order[] }> {
    const { paymentTimeoutMs } = this.#deps;
    const { id } = this.#lease.sale;
    const insertAllBut = async (there: readonly Order[]) => {
      const known = new Set(there.map(({ orderNo }) => orderNo));
      const missing = batch.filter(({ orderNo }) => !known.has(orderNo));
      // The commit follows soon: only the rows of this batch come before it.
      const nowMs = now.getTime();
      const fresh = newOrders(id, missing, seckillStock - sold, { verdict, nowMs, paymentTimeoutMs });
      await insertOrders(tx, fresh);
      return { there, fresh };
    };
    return insertAllBut([]).catch(async (error: unknown) => {
      if (!isDuplicate(error)) throw error;
      const found = await findOrders(
        tx,
        batch.map(({ orderNo }) => orderNo),
      );
      if (found.length === 0) throw error;
      return insertAllBut(found);
    });
  }
}

/** The rows for reservations that are not in the ledger. Together they hold at most `units`. */
function newOrders(
  productId: number,
  reservations: readonly HeldReservation[],
  units: number,
  options: {
    readonly verdict: FailureReason | undefined;
    readonly nowMs: number;
    readonly paymentTimeoutMs: number;
  },
): Order[] {
  const { verdict, nowMs, paymentTimeoutMs } = options;
  let free = units;
  return reservations.map(({ orderNo, userId, quantity, priceCents, admittedMs, isHeld }) => {
    const order = {
      orderNo,
      productId,
      userId,
      priceCents,
      quantity,
      createdAtMs: admittedMs,
      version: 1,
    };
    const reason = verdict ?? (!isHeld ? 'not_owner' : free < quantity ? 'no_unit' : undefined);
    if (reason !== undefined) return { ...order, status: 'failed', reason, closedAtMs: nowMs };
    free -= quantity;
    return { ...order, status: 'pending_payment', expiresAtMs: nowMs + paymentTimeoutMs };
  });
}
