import cors, { type FastifyCorsOptions } from '@fastify/cors';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';

const PREFLIGHT_KEPT_S = 600;

/** Which pages of other origins may call the API from a browser. None unless they are named; cookies are never taken. */
export const crossOrigin = fp<{ readonly origins: string | undefined }>(
  async (app, { origins }) => {
    if (origins === undefined) return;
    const options: FastifyCorsOptions = {
      origin: origins.split(','),
      methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
      allowedHeaders: ['authorization', 'content-type', 'x-request-id'],
      exposedHeaders: ['location', 'ratelimit', 'ratelimit-policy', 'retry-after', 'x-request-id'],
      maxAge: PREFLIGHT_KEPT_S,
    };
    await app.register(cors, {
      delegator: (request: FastifyRequest, done) => {
        const { origin, 'access-control-request-method': method } = request.headers;
        // An OPTIONS that is no preflight is answered as any other method that a path does not have.
        done(null, { ...options, preflight: origin !== undefined && method !== undefined });
      },
    });
    app.addHook('onRequest', (_request, reply, next) => {
      // Data that a page of another origin may read must not be kept from it by our own header.
      if (reply.hasHeader('access-control-allow-origin')) reply.header('cross-origin-resource-policy', 'cross-origin');
      next();
    });
  },
  { name: 'cross-origin' },
);
