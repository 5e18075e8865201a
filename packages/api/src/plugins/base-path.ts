import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import { isBasePath } from '@flash-sale/shared/platform/config/formats.ts';
import { trusts } from './trusted-proxies.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The base path below which clients see the service behind a proxy: `/shop`, or empty. */
    readonly basePath: string;
  }
}

type BasePathConfig = Pick<Config, 'PUBLIC_URL' | 'TRUSTED_PROXIES'>;

/**
 * The base path of a request as its client sees it: `X-Forwarded-Prefix` of a trusted proxy, else
 * the path of `PUBLIC_URL`.
 */
function basePathOf({ PUBLIC_URL, TRUSTED_PROXIES }: BasePathConfig): (request: IncomingMessage) => string {
  const usual = new URL(PUBLIC_URL).pathname.replace(/\/$/, '');
  if (TRUSTED_PROXIES === undefined) return () => usual;
  const trusted = trusts(TRUSTED_PROXIES);
  return ({ headers, socket }) => {
    const prefix = headers['x-forwarded-prefix'];
    if (typeof prefix !== 'string' || !trusted(socket.remoteAddress)) return usual;
    const path = prefix.trim().replace(/\/$/, '');
    return isBasePath(path) ? path : usual;
  };
}

/**
 * Removes the base path from requests of proxies that leave it on, before routing. None of our own
 * paths begins with it.
 */
export function withoutBasePath(config: BasePathConfig): (request: IncomingMessage) => string {
  const basePath = basePathOf(config);
  return (request) => {
    const { url = '/' } = request;
    const path = basePath(request);
    if (path === '' || !url.startsWith(path)) return url;
    const rest = url.slice(path.length);
    if (rest.startsWith('/')) return rest;
    return rest === '' || rest.startsWith('?') ? `/${rest}` : url;
  };
}

/** Puts the base path before every path in a `Location` header. */
export const basePath = fp<{ readonly config: BasePathConfig }>(
  (app, { config }, done) => {
    const of = basePathOf(config);
    app.decorateRequest('basePath', {
      getter(this: FastifyRequest) {
        return of(this.raw);
      },
    });
    app.addHook('onSend', (request, reply, payload, next) => {
      const location = reply.getHeader('location');
      if (typeof location === 'string' && location.startsWith('/')) {
        reply.header('location', `${request.basePath}${location}`);
      }
      next(null, payload);
    });
    done();
  },
  { name: 'base-path' },
);
