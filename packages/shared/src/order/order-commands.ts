import { batchOf } from '../admission/batch.ts';
import type { Reservation } from '../admission/reservation.ts';
import { batchNoOf } from './order-number.ts';
import { SETTLED_LIFE_MS, type Order } from './order.ts';
import { settledOrderOf } from './settled-record.ts';
import type { SaleRef } from '../sale/sale.ts';
import { readScripts, type RedisCalls } from '../platform/redis/script-loader.ts';
import type { Keys } from '../platform/redis/keys.ts';
import { heldBy, type Owner } from '../sale/owner.ts';

export const ORDER_SCRIPTS = readScripts(import.meta.url, {
  read_orders: {},
  mark_changed: {},
  give_back: { isFenced: (reply) => reply === -1 },
});
export type OrderScript = (typeof ORDER_SCRIPTS)[number]['name'];

/**
 * A batch may be settled after the mark of one of its orders, by a writer that has read the order
 * before its change. The writer's lease allows it seconds for that.
 */
const CHANGED_LIFE_MS = 2 * SETTLED_LIFE_MS;

/** What Redis has of one order at one instant. */
export interface OrderInRedis {
  readonly saleReady: boolean;
  /** The order waits for the ledger. */
  readonly reservation: Reservation | undefined;
  /**
   * Whether a writer has taken the reservation, so that the order may be in the ledger, settled or
   * not.
   */
  readonly mayBeWritten: boolean;
  /** The order as it was written, if it has not changed since. */
  readonly settled: Order | undefined;
}

export function createOrderCommands({ redis, run }: RedisCalls<OrderScript>, keys: Keys) {
  const commands = {
    /** What Redis has of these orders of a sale, at one instant. */
    async readOrders(sale: SaleRef, orderNos: readonly string[]): Promise<OrderInRedis[]> {
      const { state, batches } = keys.sale(sale);
      const names = orderNos.flatMap((orderNo) => [
        keys.settledBatch(sale, batchNoOf(orderNo)),
        keys.changedOrder(sale, orderNo),
      ]);
      const args = orderNos.flatMap((orderNo) => [batchNoOf(orderNo), orderNo]);
      const [ready, ...found] = await run<[number, ...string[]]>('read_orders', [state, batches, ...names], args);
      return found.map((text, i) => inRedisOf(sale, orderNos[i]!, ready === 1, text));
    },

    async readOrder(sale: SaleRef, orderNo: string): Promise<OrderInRedis> {
      const [found] = await commands.readOrders(sale, [orderNo]);
      return found!;
    },

    /** The number of the order that holds units of the sale for this shopper, if there is one. */
    async ownedOrder(sale: SaleRef, userId: string): Promise<string | undefined> {
      const entry = await redis.hget(keys.sale(sale).owners, userId);
      return entry === null ? undefined : heldBy(entry).orderNo;
    },

    /**
     * Sends pollers of these orders to the ledger, for longer than any settled record of them is
     * kept. Call it before the change is committed.
     */
    async markChanged(sale: SaleRef, orders: readonly { readonly orderNo: string }[]): Promise<void> {
      const names = orders.map(({ orderNo }) => keys.changedOrder(sale, orderNo));
      await run('mark_changed', [keys.sale(sale).state, ...names], [CHANGED_LIFE_MS]);
    },

    /** Returns how many units were given back, or undefined if the lease is lost. */
    async giveBack(
      sale: SaleRef,
      lease: string,
      owners: readonly Pick<Owner, 'userId' | 'orderNo'>[],
    ): Promise<number | undefined> {
      const names = keys.sale(sale);
      const reply = await run<number>(
        'give_back',
        [names.lease, names.state, names.owners],
        [lease, ...owners.flatMap(({ userId, orderNo }) => [userId, orderNo])],
      );
      return reply === -1 ? undefined : reply;
    },
  };
  return commands;
}

/** @param text the reply of `read_orders` for the order */
function inRedisOf(sale: SaleRef, orderNo: string, saleReady: boolean, text: string): OrderInRedis {
  const [where, ...facts] = text.split(' ');
  const found = { saleReady, reservation: undefined, mayBeWritten: true, settled: undefined };
  if (where === 'settled') return { ...found, settled: settledOrderOf(orderNo, sale.id, facts.join(' ')) };
  if (where !== 'queued') return found;
  const [taken, admittedMs, priceCents, ...line] = facts;
  const { reservations } = batchOf(batchNoOf(orderNo), `${admittedMs} ${priceCents} 1\n${orderNo} ${line.join(' ')}`);
  return { ...found, mayBeWritten: taken === '1', reservation: reservations[0] };
}
