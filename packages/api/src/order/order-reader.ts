import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import type { Clock } from '@flash-sale/shared/platform/clock.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import { saleOfOrderNumber } from '@flash-sale/shared/order/order-number.ts';
import { KEPT_AFTER_END_MS, type Sale } from '@flash-sale/shared/sale/sale.ts';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { findOrder } from '@flash-sale/shared/order/orders-table.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import type { OrderInRedis } from '@flash-sale/shared/order/order-commands.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Catalog } from '../sale/catalog.ts';
import { MicroBatches } from '../micro-batches.ts';

/**
 * How long a poll of an order that a writer has taken waits for the ledger, which alone knows its
 * state.
 */
const LEDGER_WAIT_MS = 500;

interface ReadOptions {
  readonly waitsOn?: boolean;
  readonly beforeLedger?: (() => void) | undefined;
}

export interface OrderReaderDeps {
  readonly catalog: Catalog;
  readonly commands: Commands;
  readonly db: Db;
  readonly clock: (shard: number) => Clock;
  readonly log: Logger;
}

/**
 * Reads orders: from Redis while they are queued or were settled recently, else from the ledger.
 */
export class OrderReader {
  readonly #deps: OrderReaderDeps;
  readonly #reads: MicroBatches<string, { readonly outcome: 'read'; readonly order: OrderInRedis }>;

  constructor(deps: OrderReaderDeps) {
    this.#deps = deps;
    // As buys do, polls that arrive while a read is in progress go together in the next one. So no
    // read begins before its poll has arrived.
    this.#reads = new MicroBatches({
      name: 'read_orders',
      call: (sales) =>
        sales.map(async ({ sale, items }) => {
          const orders = await deps.commands.readOrders(sale, items);
          return orders.map((order) => ({ outcome: 'read' as const, order }));
        }),
      waitingMax: Infinity,
      log: deps.log,
    });
  }

  /** The sale that an order number names; undefined if no such order can exist. */
  async saleOf(orderNo: string): Promise<Sale | undefined> {
    const ref = saleOfOrderNumber(orderNo);
    const sale = ref && (await this.#deps.catalog.sale(ref.id));
    return sale?.shard === ref?.shard ? sale : undefined;
  }

  /**
   * The order, or undefined if it does not exist. A caller who `waitsOn` while the order is queued
   * gets `queued` without a look at the ledger, also if the order has just been written.
   * `beforeLedger` is called before each look at it, and may refuse the call.
   *
   * @throws Refusal `not_ready` or `unavailable` if that is not known now: the ledger does not have
   * the order, and Redis does not answer or is not yet compared with the ledger; or a writer has
   * taken the order, and the ledger does not answer
   */
  async read(
    sale: Sale,
    orderNo: string,
    { waitsOn = false, beforeLedger }: ReadOptions = {},
  ): Promise<Order | undefined> {
    const { db, clock } = this.#deps;
    // Ask Redis before the ledger: an order moves from Redis to the ledger, never back.
    const result = await this.#reads.add(sale, orderNo);
    const inRedis = result.outcome === 'read' ? result.order : undefined;
    if (inRedis?.reservation !== undefined) {
      const { userId, priceCents, quantity, admittedMs } = inRedis.reservation;
      // Between COMMIT and settling, which may take seconds if the writer crashes, the ledger is
      // ahead of Redis. A shopper who has seen the row must not get `queued` after that. So return
      // `queued` only if the ledger has no row.
      const asksLedger = inRedis.mayBeWritten && !waitsOn;
      if (asksLedger) beforeLedger?.();
      const written = asksLedger ? await this.#writtenSoon(orderNo) : undefined;
      if (written !== undefined) return written;
      return {
        orderNo,
        userId,
        productId: sale.id,
        status: 'queued',
        priceCents,
        quantity,
        createdAtMs: admittedMs,
        version: 0,
      };
    }
    if (inRedis?.settled !== undefined) return inRedis.settled;
    beforeLedger?.();
    const order = await findOrder(db, orderNo);
    if (order !== undefined || clock(sale.shard).nowMs() > sale.endMs + KEPT_AFTER_END_MS) return order;
    if (inRedis === undefined) throw new Refusal('unavailable');
    if (!inRedis.saleReady) throw new Refusal('not_ready');
    return undefined;
  }

  /**
   * The order, if the ledger has it.
   *
   * @throws Refusal `unavailable` if the ledger does not answer soon
   */
  async #writtenSoon(orderNo: string): Promise<Order | undefined> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Refusal('unavailable')), LEDGER_WAIT_MS);
    try {
      return await Promise.race([findOrder(this.#deps.db, orderNo), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
