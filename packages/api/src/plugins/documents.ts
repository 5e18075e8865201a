import type { FastifyPluginAsyncTypebox, TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify from 'fastify';
import { denyListRoutes } from '../deny-list/routes.ts';
import { devRoutes } from '../identity/dev-routes.ts';
import { liveRoutes } from '../live/routes.ts';
import { editAndDeleteRoutes } from '../operator/edit-and-delete.ts';
import { adminRoutes } from '../operator/routes.ts';
import { operationRoutes } from '../operator/sale-operations.ts';
import { orderEventRoutes } from '../order-events/routes.ts';
import { orderOperatorRoutes } from '../order/operator-routes.ts';
import { orderRoutes } from '../order/routes.ts';
import { paymentOperatorRoutes } from '../payment/operator-routes.ts';
import { productRoutes } from '../sale/routes.ts';
import { seckillRoutes } from '../seckill/routes.ts';
import { shopperRoutes } from '../shopper/routes.ts';
import { waitingRoomRoutes } from '../waiting-room/routes.ts';
import { openapi } from './openapi.ts';

type Routes = FastifyPluginAsyncTypebox<never>;

const SHOPPERS: readonly Routes[] = [productRoutes, seckillRoutes, waitingRoomRoutes, orderRoutes, devRoutes];
const OPERATORS: readonly Routes[] = [
  adminRoutes,
  denyListRoutes,
  editAndDeleteRoutes,
  liveRoutes,
  operationRoutes,
  orderEventRoutes,
  orderOperatorRoutes,
  paymentOperatorRoutes,
  shopperRoutes,
];

/**
 * The OpenAPI document of all calls that shoppers may make, whatever the settings of a service
 * allow.
 */
export const shopperCalls = (): Promise<object> => documentOf(SHOPPERS);

/** The OpenAPI document of all operators' calls. */
export const operatorCalls = (): Promise<object> => documentOf(OPERATORS);

/** Needs no servers: the routes are registered, and never called. */
async function documentOf(routes: readonly Routes[]): Promise<object> {
  const app = fastify().withTypeProvider<TypeBoxTypeProvider>();
  const config = { NODE_ENV: 'development', CHALLENGE_BITS: 4, JWT_SECRET: 'never used' };
  await app.register(openapi);
  app.decorateRequest('basePath', '');
  app.decorate('limitAddress', (_request, _reply, next) => next());
  app.decorate('limitMisses', { onRequest: app.limitAddress, onSend: (_request, _reply, _payload, next) => next() });
  app.decorate('requireOperator', () => async () => undefined);
  const deps = { config, challenges: { areRequired: true } };
  for (const plugin of routes) await app.register(plugin, deps as never);
  await app.ready();
  const document = app.swagger();
  await app.close();
  return document;
}
