import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { listActions, recordAction } from './operator-actions-table.ts';
import { historyOfOrder } from '@flash-sale/shared/order-moves/order-transitions.ts';
import { findPaymentsOfOrder } from '@flash-sale/shared/payment/payments-table.ts';
import { readCounters } from '@flash-sale/shared/sale/sale-counters-table.ts';
import { requestRefund } from '@flash-sale/shared/order-moves/request-refund.ts';
import {
  deleteNewSale,
  insertSale,
  readSold,
  updatePaused,
  type NewSale,
} from '@flash-sale/shared/sale/products-table.ts';
import type { SaleWithTexts } from '@flash-sale/shared/sale/sale.ts';
import type { Tx } from '@flash-sale/shared/platform/mysql/client.ts';
import { LEASE_WAIT_MS } from '@flash-sale/shared/sale/lease.ts';
import { loadSale } from '@flash-sale/shared/reconciliation/rebuild.ts';
import type { Catalog } from '../sale/catalog.ts';
import type { AppDeps } from '../deps.ts';
import type { OrderReader } from '../order/order-reader.ts';
import { idOfCursor, isoOf, LIMIT_DEFAULT, nextCursor } from '../fields.ts';
import { liveProduct } from '../sale/product-view.ts';
import { orderView } from '../order/routes.ts';
import { actionOf } from './action.ts';
import { orderFile } from '../order/order-file.ts';
import { CreateProduct, newSaleOf, SALE_BODY_BYTES_MAX } from './sale-fields.ts';
import { ListActions, OrderFile, PauseProduct, ProductStats, RefundOrder, WhoAmI } from './schema.ts';
import { statsOf } from '../sale/stats.ts';

type Deps = Pick<AppDeps, 'config' | 'db' | 'leaseDb' | 'commands' | 'saleTransactions' | 'clock' | 'providers'> & {
  readonly catalog: Catalog;
  readonly orders: OrderReader;
};

/** Operators' calls. Each change is recorded. */
export const adminRoutes: FastifyPluginAsyncTypebox<Deps> = async (
  app,
  { config, db, leaseDb, commands, saleTransactions, clock, providers, catalog, orders },
) => {
  const reading = { onRequest: app.requireOperator('viewer') };
  const changing = { onRequest: app.requireOperator('admin') };

  app.get('/api/v1/admin/actions', { schema: ListActions, ...reading }, async (request) => {
    const { limit = LIMIT_DEFAULT, cursor } = request.query;
    const actions = await listActions(db, { limit, beforeId: idOfCursor(cursor) });
    const items = actions.map(({ createdAt, ...action }) => ({ ...action, time: isoOf(createdAt.getTime()) }));
    return { items, next_cursor: nextCursor(actions, limit, ({ id }) => String(id)) };
  });

  /**
   * Redis may know an id that the ledger gives out: a MySQL replica was promoted that had not
   * received a sale. The orders of that sale must not become orders of this one.
   */
  const insertUnderNewId = async (tx: Tx, fields: NewSale): Promise<SaleWithTexts> => {
    for (;;) {
      const sale = await insertSale(tx, fields);
      if ((await commands.whichAreKept(sale.shard, [sale.id])).length === 0) return sale;
      await deleteNewSale(tx, sale.id);
    }
  };

  app.get('/api/v1/admin/operator', { schema: WhoAmI, ...reading }, async ({ operator: { name, role } }) => ({
    name,
    role,
  }));

  const creating = { ...changing, bodyLimit: SALE_BODY_BYTES_MAX };
  app.post('/api/v1/admin/products', { schema: CreateProduct, ...creating }, async (request, reply) => {
    const fields = newSaleOf(request.body, providers.current.minimumCents(config.CURRENCY));
    // Choose the shard by time: this needs no counter that the api processes share.
    const shard = Date.now() % config.SHARDS;
    // Ask Redis before anything is written: do not create a sale that cannot be loaded.
    await commands.clock(shard);
    const sale = await db.transaction().execute(async (tx) => {
      const inserted = await insertUnderNewId(tx, { ...fields, shard });
      await recordAction(tx, actionOf(request, 'create', `product ${inserted.id}`, request.body));
      return inserted;
    });
    catalog.changed(sale);
    try {
      await loadSale({ commands, db: leaseDb }, sale, LEASE_WAIT_MS);
    } catch (error) {
      // The sale exists, and the workers' warm-up loads it. Its status shows that it is not ready.
      request.log.warn({ err: error, sale: sale.id }, 'new sale is not loaded yet');
    }
    request.log.info({ sale: sale.id }, 'sale created');
    return reply
      .code(201)
      .header('location', `/api/v1/products/${sale.id}`)
      .send(await liveProduct({ commands, clock }, sale));
  });

  app.get('/api/v1/admin/products/:id/stats', { schema: ProductStats, ...reading }, async (request, reply) => {
    const sale = await catalog.sale(request.params.id);
    if (sale === undefined) return reply.refuse('not_found');
    const [outcomes, backlog, sold, counters] = await Promise.all([
      commands.outcomes(sale),
      commands.backlog(sale),
      readSold(db, [sale.id]),
      readCounters(db, sale.id),
    ]);
    const sums = { outcomes, backlog, sold: sold.get(sale.id) ?? 0, counters };
    return statsOf(sale.id, { currency: config.CURRENCY, ...sums });
  });

  app.get('/api/v1/admin/orders/:orderNo', { schema: OrderFile, ...reading }, async (request, reply) => {
    const sale = await orders.saleOf(request.params.orderNo);
    const order = sale && (await orders.read(sale, request.params.orderNo));
    if (order === undefined) return reply.refuse('not_found');
    const [history, payments] = await Promise.all([
      historyOfOrder(db, order.orderNo),
      findPaymentsOfOrder(db, order.orderNo),
    ]);
    return orderFile(order, history, payments);
  });

  app.post('/api/v1/admin/orders/:orderNo/refund', { schema: RefundOrder, ...changing }, async (request, reply) => {
    const sale = await orders.saleOf(request.params.orderNo);
    const order = sale && (await orders.read(sale, request.params.orderNo));
    if (order === undefined) return reply.refuse('not_found');
    // Check this first, so that a refused call is not recorded as done.
    if (order.status !== 'paid' && order.status !== 'refunded')
      return reply.refuse('invalid_state', { detail: `The order is ${order.status}` });
    if (order.status === 'paid') await recordAction(db, actionOf(request, 'refund', `order ${order.orderNo}`));
    // For a refunded order this changes nothing, and fails if an operator did not request the
    // refund.
    await requestRefund({ saleTransactions }, order, 'operator');
    request.log.info({ order_no: order.orderNo }, 'refund requested');
    return reply.code(202).send(orderView(order));
  });

  for (const [action, paused] of [
    ['pause', true],
    ['resume', false],
  ] as const) {
    const summary = paused ? 'Pause a sale' : 'Resume a paused sale';
    app.post(
      `/api/v1/admin/products/:id/${action}`,
      { schema: { ...PauseProduct, summary }, ...changing },
      async (request, reply) => {
        const { id } = request.params;
        const sale = await db.transaction().execute(async (tx) => {
          const updated = await updatePaused(tx, id, paused);
          if (updated !== undefined) await recordAction(tx, actionOf(request, action, `product ${id}`));
          return updated;
        });
        if (sale === undefined) return reply.refuse('not_found');
        if (!sale.cleaned) await commands.setPause(sale, sale.pauseVersion, sale.paused);
        catalog.changed(sale);
        request.log.info({ sale: sale.id, paused }, 'sale paused or resumed');
        return liveProduct({ commands, clock }, sale);
      },
    );
  }
};
