import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fp from 'fastify-plugin';
import { PAGE_POLICY } from './safe-headers.ts';

/** The OpenAPI document, made from the routes' schemas (`/docs/json`), and its page (`/docs`). */
export const openapi = fp(
  async (app) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'Flash sale',
          description: 'N units, a crowd many times larger, one second.',
          version: '1.0.0',
        },
        components: {
          securitySchemes: {
            accessToken: { type: 'http', scheme: 'bearer', description: 'A shopper’s access token (`AUTH_MODE=jwt`).' },
            operatorToken: { type: 'http', scheme: 'bearer', description: 'The operator token.' },
          },
        },
      },
    });
    await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: PAGE_POLICY });
  },
  { name: 'openapi' },
);
