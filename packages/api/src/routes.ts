import type { FastifyInstance } from 'fastify';
import { denyListRoutes } from './deny-list/routes.ts';
import type { AppDeps } from './deps.ts';
import { devRoutes } from './identity/dev-routes.ts';
import { liveRoutes } from './live/routes.ts';
import { editAndDeleteRoutes } from './operator/edit-and-delete.ts';
import { adminRoutes } from './operator/routes.ts';
import { operationRoutes } from './operator/sale-operations.ts';
import { orderEventRoutes } from './order-events/routes.ts';
import { orderOperatorRoutes } from './order/operator-routes.ts';
import { orderRoutes } from './order/routes.ts';
import { pageRoutes } from './pages/routes.ts';
import type { Parts } from './parts.ts';
import { paymentOperatorRoutes } from './payment/operator-routes.ts';
import { paymentRoutes } from './payment/routes.ts';
import { productRoutes } from './sale/routes.ts';
import { seckillRoutes } from './seckill/routes.ts';
import { shopperRoutes } from './shopper/routes.ts';
import { waitingRoomRoutes } from './waiting-room/routes.ts';

/** The calls of shoppers, of payment providers and of operators, and the pages. */
export async function registerRoutes(
  server: Pick<FastifyInstance, 'register'>,
  deps: AppDeps,
  parts: Parts,
): Promise<void> {
  const { config, db, bounds = {} } = deps;
  const { catalog, orders, waitingRooms, denyList } = parts;
  const shared = { ...deps, ...parts, ...waitingRooms };
  await server.register(async (shoppers) => {
    shoppers.addHook('onRequest', (request, reply, done) => {
      if (denyList.deniesAddressOf(request)) reply.refuse('forbidden');
      else done();
    });
    await shoppers.register(productRoutes, { ...deps, catalog, cacheMs: bounds.productCacheMs });
    await shoppers.register(seckillRoutes, shared);
    await shoppers.register(waitingRoomRoutes, shared);
    await shoppers.register(orderRoutes, shared);
    await shoppers.register(devRoutes, { config });
  });
  await server.register(paymentRoutes, deps);
  await server.register(paymentOperatorRoutes, deps);
  await server.register(adminRoutes, { ...deps, catalog, orders });
  await server.register(orderEventRoutes, deps);
  await server.register(shopperRoutes, deps);
  await server.register(editAndDeleteRoutes, { ...deps, catalog });
  await server.register(orderOperatorRoutes, { ...deps, orders, stopping: parts.stopping });
  await server.register(liveRoutes, { streams: parts.live });
  await server.register(operationRoutes, shared);
  await server.register(denyListRoutes, { db, denyList });
  await server.register(pageRoutes, { config });
}
