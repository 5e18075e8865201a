import cors, { type FastifyCorsOptions } from '@fastify/cors';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';

const PREFLIGHT_KEPT_S = 600;

/**
 * Allows pages of other origins to call the API from a browser. Only configured origins are
 * allowed; cookies are never accepted.
 */
export const crossOrigin = fp<{ readonly origins: string | undefined }>(
  async (app, { origins }) => {
    if (origins === undefined) return;
    const options: FastifyCorsOptions = {
      origin: origins.split(','),
      methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
      allowedHeaders: ['authorization', 'content-type', 'x-request-id'],
      // `date` is the time of the service, for countdowns.
      exposedHeaders: ['date', 'location', 'ratelimit', 'ratelimit-policy', 'retry-after', 'x-request-id'],
      maxAge: PREFLIGHT_KEPT_S,
    };
    await app.register(cors, {
      delegator: (request: FastifyRequest, done) => {
        const { origin, 'access-control-request-method': method } = request.headers;
        // An OPTIONS request that is no preflight is answered like any other unsupported method.
        done(null, { ...options, preflight: origin !== undefined && method !== undefined });
      },
    });
    app.addHook('onRequest', (_request, reply, next) => {
      // Pages of an allowed origin may read the data, so our own header must not prevent it.
      if (reply.hasHeader('access-control-allow-origin')) reply.header('cross-origin-resource-policy', 'cross-origin');
      next();
    });
  },
  { name: 'cross-origin' },
);
