import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import Type from 'typebox';
import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import { PATH_PART_LENGTH_MAX } from '../fields.ts';
import { pageAssets, type Asset, type PageName } from './assets.ts';
import { pageHtml } from './html.ts';

/**
 * Scripts, styles and calls of the pages' own origin only, and nothing inline. Pictures of products
 * may come from anywhere, over https.
 */
const POLICY = [
  "default-src 'none'",
  "base-uri 'self'",
  "connect-src 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "img-src 'self' data: https:",
  "script-src 'self'",
  "style-src 'self'",
  "worker-src 'self'",
].join('; ');

/** The paths of the storefront. Its script decides which page each of them shows. */
const STOREFRONT_PATHS = ['/', '/sales', '/sales/:id', '/orders'];

type PagesConfig = Pick<
  Config,
  'STOREFRONT' | 'AUTH_MODE' | 'CURRENCY' | 'JWT_SECRET' | 'JWT_SUBJECT_CLAIM' | 'NODE_ENV'
>;

/** The storefront, the console, and their files. */
export const pageRoutes: FastifyPluginAsyncTypebox<{ readonly config: PagesConfig }> = async (app, { config }) => {
  const page = (name: PageName, settings: Readonly<Record<string, unknown>>) => {
    return async ({ basePath }: FastifyRequest, reply: FastifyReply) => {
      const html = pageHtml({ name, assets: await pageAssets(), basePath, settings });
      return reply
        .headers({ 'content-security-policy': POLICY, 'cache-control': 'no-cache' })
        .type('text/html; charset=utf-8')
        .send(html);
    };
  };

  if (config.STOREFRONT) {
    const hasDevLogin = config.NODE_ENV !== 'production' && config.JWT_SECRET !== undefined;
    const storefront = page('storefront', {
      authMode: config.AUTH_MODE,
      hasDevLogin: config.AUTH_MODE === 'jwt' && hasDevLogin,
      subjectClaim: config.JWT_SUBJECT_CLAIM,
      currency: config.CURRENCY,
    });
    for (const path of STOREFRONT_PATHS) {
      app.get(path, { schema: { hide: true } }, storefront);
    }
  }

  // The document has no secret: the page itself asks for the operator token, for its calls. A
  // browser would keep a password of basic auth until it is closed, without a way to sign out.
  app.get('/console', { schema: { hide: true } }, page('console', { currency: config.CURRENCY }));

  app.get('/assets/:hash/*', { schema: { hide: true, params: AssetParams } }, async (request, reply) => {
    const { files, hash } = await pageAssets();
    const asset = files.get(request.params['*']);
    if (asset === undefined) return reply.refuse('not_found');
    // During an upgrade, another process may have another version of the file. It must not be
    // kept under this name.
    const isOurs = request.params.hash === hash;
    const { coding, body } = await encoded(asset, request.headers['accept-encoding']);
    reply.headers({
      'cache-control': isOurs ? 'public, max-age=31536000, immutable' : 'no-store',
      vary: 'accept-encoding',
      ...(coding === undefined ? {} : { 'content-encoding': coding }),
    });
    return reply.type(asset.type).send(body);
  });
};

const AssetParams = Type.Object({
  hash: Type.String({ maxLength: PATH_PART_LENGTH_MAX }),
  '*': Type.String({ maxLength: PATH_PART_LENGTH_MAX }),
});

async function encoded(
  { plain, br, gzip }: Asset,
  accepted = '',
): Promise<{ readonly coding?: 'br' | 'gzip'; readonly body: Buffer }> {
  if (accepts(accepted, 'br')) return { coding: 'br', body: await br() };
  if (accepts(accepted, 'gzip')) return { coding: 'gzip', body: await gzip() };
  return { body: plain };
}

/** Whether an `Accept-Encoding` header names a coding, and does not exclude it. */
function accepts(header: string, coding: string): boolean {
  return header.split(',').some((part) => {
    const [name = '', quality = ''] = part.split(';').map((text) => text.trim().toLowerCase());
    return name === coding && !/^q=0(?:\.0*)?$/.test(quality);
  });
}
