import { reservationOf, type Reservation } from '../admission/reservation.ts';
import type { SaleRef } from '../sale/sale.ts';
import { readScripts, type RedisCalls } from '../platform/redis/script-loader.ts';
import type { Keys } from '../platform/redis/keys.ts';
import type { Owner } from '../sale/sale-commands.ts';

export const ORDER_SCRIPTS = readScripts(import.meta.url, {
  read_order: {},
  mark_changed: {},
  give_back: { isFenced: (reply) => reply === -1 },
});
export type OrderScript = (typeof ORDER_SCRIPTS)[number]['name'];

/** What Redis has of one order at one instant. */
export interface OrderInRedis {
  readonly saleReady: boolean;
  readonly reservation: Reservation | undefined;
  /**
   * Whether a writer has taken the reservation, so that the order may be in the ledger, settled or
   * not.
   */
  readonly mayBeWritten: boolean;
  readonly status: string | undefined;
}

export function createOrderCommands({ redis, run }: RedisCalls<OrderScript>, keys: Keys) {
  return {
    async readOrder(sale: SaleRef, orderNo: string): Promise<OrderInRedis> {
      const { state, reservations } = keys.sale(sale);
      const [ready, reservation, status, taken] = await run<[number, string | null, string | null, number]>(
        'read_order',
        [state, reservations, keys.status(sale, orderNo)],
        [orderNo],
      );
      // The order has changed since, or its status is from an earlier history of Redis, which may
      // have had a newer one. The ledger has the order, even if the writer crashed before it could
      // settle the reservation.
      if (status === '-') {
        return { saleReady: ready === 1, reservation: undefined, mayBeWritten: true, status: undefined };
      }
      return {
        saleReady: ready === 1,
        mayBeWritten: taken === 1,
        reservation: reservation === null ? undefined : reservationOf(orderNo, reservation),
        status: status ?? undefined,
      };
    },

    /** The number of the order that holds a unit of the sale for this shopper, if there is one. */
    async ownedOrder(sale: SaleRef, userId: string): Promise<string | undefined> {
      return (await redis.hget(keys.sale(sale).owners, userId)) ?? undefined;
    },

    /**
     * Sends pollers of these orders to the ledger, for the lifetime of a status. Call it before the
     * change is committed.
     */
    async markChanged(
      sale: SaleRef,
      lifeMs: number,
      orders: readonly { readonly orderNo: string; readonly version: number }[],
    ): Promise<void> {
      const names = orders.map(({ orderNo }) => keys.status(sale, orderNo));
      await run('mark_changed', [keys.sale(sale).state, ...names], [lifeMs, ...orders.map(({ version }) => version)]);
    },

    /** Returns how many units were given back, or undefined if the lease is lost. */
    async giveBack(sale: SaleRef, lease: string, owners: readonly Owner[]): Promise<number | undefined> {
      const names = keys.sale(sale);
      const reply = await run<number>(
        'give_back',
        [names.lease, names.state, names.owners],
        [lease, ...owners.flatMap(({ userId, orderNo }) => [userId, orderNo])],
      );
      return reply === -1 ? undefined : reply;
    },
  };
}
