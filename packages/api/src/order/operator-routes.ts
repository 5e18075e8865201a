import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import { listOrders, type OrderFilter } from '@flash-sale/shared/order/order-list-table.ts';
import type { AppDeps } from '../deps.ts';
import { isoOf, LIMIT_DEFAULT } from '../fields.ts';
import { actionOf } from '../operator/action.ts';
import { recordAction } from '../operator/operator-actions-table.ts';
import { subjectOf } from '../shopper/erase.ts';
import { Downloads } from './downloads.ts';
import { Download, ExportOrders, FindOrders, OpenDownload } from './operator-schema.ts';
import type { OrderReader } from './order-reader.ts';
import { ordersCsv } from './orders-csv.ts';
import { orderView } from './routes.ts';

/** Exports at once. Each takes time from shoppers' requests. */
const EXPORTS_MAX = 2;
const CHUNK_BYTES_MAX = 65_536;

type Deps = Pick<AppDeps, 'config' | 'db' | 'operatorRedis' | 'keys'> & {
  readonly orders: OrderReader;
  /** Aborted when the process stops. */
  readonly stopping: AbortSignal;
};

/** Operators' lists of orders. */
export const orderOperatorRoutes: FastifyPluginAsyncTypebox<Deps> = async (app, deps) => {
  const { config, db, orders, stopping } = deps;
  const downloads = new Downloads(deps);
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

  const refuseIfBusy = (): void => {
    if (exports >= EXPORTS_MAX || stopping.aborted) throw new Refusal('overloaded');
  };

  /** Records an export before it begins: it has personal data. */
  async function recordExport(request: FastifyRequest, { productId, userId, status }: OrderFilter): Promise<void> {
    refuseIfBusy();
    const ofSale = productId === undefined ? 'orders' : `product ${productId}`;
    // Only the subject has the user id, since erasing a shopper changes only the subject.
    const subject = userId === undefined ? ofSale : subjectOf(userId);
    await recordAction(db, actionOf(request, 'export', subject, { format: 'csv', product_id: productId, status }));
  }

  function sendCsv(reply: FastifyReply, filter: OrderFilter) {
    // Others may have begun since the first check.
    refuseIfBusy();
    exports += 1;
    const rows = ordersCsv(db, filter, config.CURRENCY);
    const body = Readable.from(rows, { objectMode: false, highWaterMark: CHUNK_BYTES_MAX, signal: stopping });
    body.once('close', () => {
      exports -= 1;
    });
    const name = filter.productId === undefined ? 'orders' : `orders-${filter.productId}`;
    return reply
      .type('text/csv; charset=utf-8')
      .header('content-disposition', `attachment; filename="${name}.csv"`)
      .send(body);
  }

  app.get(
    '/api/v1/admin/orders.csv',
    { schema: ExportOrders, ...reading, exposeHeadRoute: false },
    async (request, reply) => {
      const { product_id: productId, user_id: userId, status } = request.query;
      const filter = { productId, userId, status };
      await recordExport(request, filter);
      return sendCsv(reply, filter);
    },
  );

  app.post('/api/v1/admin/downloads', { schema: OpenDownload, ...reading }, async (request, reply) => {
    const { product_id: productId, user_id: userId, status } = request.query;
    const filter = { productId, userId, status };
    await recordExport(request, filter);
    const { id, expiresMs } = await downloads.open(filter);
    return reply.code(201).send({ id, expires_at: isoOf(expiresMs) });
  });

  app.get(
    '/api/v1/admin/downloads/:id',
    { schema: Download, onRequest: app.limitAddress, exposeHeadRoute: false },
    async ({ params: { id } }, reply) => {
      refuseIfBusy();
      const filter = await downloads.use(id);
      if (filter === undefined) {
        throw new Refusal('not_found', { detail: 'The download was used before, or is too old' });
      }
      return sendCsv(reply, filter);
    },
  );
};
