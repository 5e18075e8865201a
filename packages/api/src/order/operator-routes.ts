import { Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { listOrders } from '@flash-sale/shared/order/order-list-table.ts';
import type { AppDeps } from '../deps.ts';
import { LIMIT_DEFAULT } from '../fields.ts';
import { ExportOrders, FindOrders } from './operator-schema.ts';
import type { OrderReader } from './order-reader.ts';
import { ordersCsv } from './orders-csv.ts';
import { orderView } from './routes.ts';

/** Exports at once. Each takes time from shoppers' requests. */
const EXPORTS_MAX = 2;
const CHUNK_BYTES_MAX = 65_536;

type Deps = Pick<AppDeps, 'config' | 'db'> & {
  readonly orders: OrderReader;
  /** Aborted when the process stops. */
  readonly stopping: AbortSignal;
};

/** Operators' lists of orders. */
export const orderOperatorRoutes: FastifyPluginAsyncTypebox<Deps> = async (app, { config, db, orders, stopping }) => {
  const reading = { onRequest: app.requireOperator('viewer') };
  let exports = 0;

  app.get('/api/v1/admin/orders', { schema: FindOrders, ...reading }, async (request) => {
    const {
      product_id: productId,
      user_id: userId,
      status,
      order_no: orderNo,
      limit = LIMIT_DEFAULT,
      cursor,
    } = request.query;
    if (orderNo === undefined) {
      const page = await listOrders(db, { productId, userId, status }, { limit, before: cursor });
      return { items: page.orders.map(orderView), next_cursor: page.before ?? null };
    }
    const sale = await orders.saleOf(orderNo);
    const order = sale && (await orders.read(sale, orderNo));
    const isWanted =
      order !== undefined &&
      (productId ?? order.productId) === order.productId &&
      (userId ?? order.userId) === order.userId &&
      (status ?? order.status) === order.status &&
      (cursor === undefined || orderNo < cursor);
    return { items: isWanted ? [orderView(order)] : [], next_cursor: null };
  });

  app.get(
    '/api/v1/admin/orders.csv',
    { schema: ExportOrders, ...reading, exposeHeadRoute: false },
    async (request, reply) => {
      const { product_id: productId, user_id: userId, status } = request.query;
      if (exports >= EXPORTS_MAX || stopping.aborted) return reply.refuse('overloaded');
      exports += 1;
      const rows = ordersCsv(db, { productId, userId, status }, config.CURRENCY);
      const body = Readable.from(rows, { objectMode: false, highWaterMark: CHUNK_BYTES_MAX, signal: stopping });
      body.once('close', () => {
        exports -= 1;
      });
      const name = productId === undefined ? 'orders' : `orders-${productId}`;
      return reply
        .type('text/csv; charset=utf-8')
        .header('content-disposition', `attachment; filename="${name}.csv"`)
        .send(body);
    },
  );
};
