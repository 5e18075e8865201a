import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { priceOfCents } from '@flash-sale/shared/domain/money.ts';
import type { Order } from '@flash-sale/shared/domain/order.ts';
import { listOrdersOfUser } from '@flash-sale/shared/db/orders.ts';
import type { AppDeps } from '../../deps.ts';
import type { OrderReader } from '../../orders/order-reader.ts';
import type { Settlements } from '../../orders/settlements.ts';
import { isoOf, LIMIT_DEFAULT } from '../fields.ts';
import { GetOrder, ListOrders } from './schema.ts';

type Deps = Pick<AppDeps, 'db'> & { readonly orders: OrderReader; readonly settlements: Settlements };

/** A shopper's orders. */
export const orderRoutes: FastifyPluginAsyncTypebox<Deps> = async (app, { db, orders, settlements }) => {
  app.get('/api/v1/orders/:orderNo', { schema: GetOrder }, async (request, reply) => {
    const { orderNo } = request.params;
    const { wait = 0, user_id } = request.query;
    const shopper = await app.shopperIfKnown(request, user_id);
    const sale = await orders.saleOf(orderNo);
    if (sale === undefined) return reply.refuse('not_found');

    const read = () => orders.read(sale, orderNo);
    let order: Order | undefined;
    if (wait === 0) {
      order = await read();
    } else {
      order = await settlements.readUntil(sale, orderNo, {
        wait_ms: wait * 1_000,
        gone: request.signal,
        read,
        done: (reading) => reading?.status !== 'queued',
      });
    }
    // Somebody else's order looks like one that does not exist.
    if (order === undefined || (shopper !== undefined && order.user_id !== shopper)) return reply.refuse('not_found');
    if (order.status === 'queued') reply.header('retry-after', '1');
    return orderView(order);
  });

  app.get('/api/v1/orders', { schema: ListOrders }, async (request) => {
    const { limit = LIMIT_DEFAULT, cursor, user_id } = request.query;
    const shopper = await app.shopper(request, user_id);
    const mine = await listOrdersOfUser(db, shopper, limit, cursor);
    return { items: mine.map(orderView), next_cursor: mine.length === limit ? mine.at(-1)!.order_no : null };
  });
};

/** An order as the contract has it. */
function orderView({ order_no, user_id, product_id, status, price_cents, created_at_ms, reason }: Order) {
  return {
    order_no,
    user_id,
    product_id,
    status,
    price: priceOfCents(price_cents),
    created_at: isoOf(created_at_ms),
    ...(reason === undefined ? {} : { reason }),
  };
}
