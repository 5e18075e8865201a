import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify from 'fastify';
import { devRoutes } from '../identity/dev-routes.ts';
import { orderRoutes } from '../order/routes.ts';
import { productRoutes } from '../sale/routes.ts';
import { seckillRoutes } from '../seckill/routes.ts';
import { openapi } from './openapi.ts';

/**
 * The OpenAPI document of all calls that shoppers may make, whatever the settings of a service
 * allow. It needs no servers: the routes are registered, and never called.
 */
export async function shopperCalls(): Promise<object> {
  const app = fastify().withTypeProvider<TypeBoxTypeProvider>();
  const config = { NODE_ENV: 'development', CHALLENGE_BITS: 4, JWT_SECRET: 'never used' };
  await app.register(openapi);
  app.decorateRequest('basePath', '');
  app.decorate('limitAddress', (_request, _reply, next) => next());
  await app.register(productRoutes, { config } as never);
  await app.register(seckillRoutes, { config } as never);
  await app.register(orderRoutes, { config } as never);
  await app.register(devRoutes, { config } as never);
  await app.ready();
  const document = app.swagger();
  await app.close();
  return document;
}
