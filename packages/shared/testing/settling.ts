import { settlementOf, type Settlement } from '../src/admission/batch.ts';
import { SETTLED_LIFE_MS, type Order } from '../src/order/order.ts';
import { settledLineOf } from '../src/order/settled-record.ts';
import type { Reservation } from '../src/admission/reservation.ts';
import type { SaleRef } from '../src/sale/sale.ts';
import type { Shop } from './buying.ts';

/**
 * The arguments of `settle` if these orders are in the ledger. Other orders of their batches stay
 * in the outbox.
 */
export async function settlementsFor(shop: Shop, sale: SaleRef, orders: readonly Order[]): Promise<Settlement[]> {
  const written = new Map(orders.map((order) => [order.orderNo, order]));
  const batches = Map.groupBy(await shop.commands.allReservations(sale), ({ batchNo }) => batchNo);
  return [...batches]
    .map(([batchNo, reservations]) =>
      settlementOf({ batchNo, reservations }, ({ orderNo, admittedMs }) => {
        const order = written.get(orderNo);
        return order === undefined ? undefined : settledLineOf(order, admittedMs);
      }),
    )
    .filter(({ settled }) => settled.length > 0);
}

/** Settles these orders, as a writer does after its commit. Returns false if the lease is lost. */
export async function settle(
  shop: Shop,
  sale: SaleRef,
  lease: string,
  orders: readonly Order[],
  lifeMs = SETTLED_LIFE_MS,
): Promise<boolean> {
  return shop.commands.settle(sale, lease, lifeMs, await settlementsFor(shop, sale, orders));
}

/** The orders of these shoppers as a writer would write them, to be paid within a minute. */
export async function ordersOf(shop: Shop, sale: SaleRef, orderNos: readonly string[]): Promise<Order[]> {
  const waiting = new Set(orderNos);
  const reservations = (await shop.commands.allReservations(sale)).filter(({ orderNo }) => waiting.has(orderNo));
  return reservations.map((reservation) => orderOf(sale, reservation));
}

const orderOf = (sale: SaleRef, { orderNo, userId, quantity, priceCents, admittedMs }: Reservation): Order => ({
  orderNo,
  userId,
  productId: sale.id,
  status: 'pending_payment',
  priceCents,
  quantity,
  createdAtMs: admittedMs,
  version: 1,
  expiresAtMs: admittedMs + 60_000,
});
