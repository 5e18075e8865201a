import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifySchema } from 'fastify';
import fp from 'fastify-plugin';
import { ERRORS, type ErrorCode } from '@flash-sale/shared/platform/errors.ts';
import { PAGE_POLICY } from './safe-headers.ts';

declare module 'fastify' {
  interface FastifySchema {
    /**
     * The errors that the call may return, in addition to those that all similar calls may return.
     */
    problems?: readonly ErrorCode[];
  }
}

const DOCS_PATH = '/docs';

/**
 * The OpenAPI document, generated from the routes' schemas (`/docs/json`), and its page (`/docs`).
 */
export const openapi = fp(
  async (app) => {
    await app.register(swagger, {
      transform: ({ schema, url, route }) => ({ url, schema: withProblems(schema, [route.method].flat()) }),
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'Flash sale',
          description:
            'Sells a limited stock to a large crowd: one live order for each shopper, and never more units than the sale has.',
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
    await app.register(swaggerUi, {
      routePrefix: DOCS_PATH,
      staticCSP: PAGE_POLICY,
      transformSpecification: (document, request) => ({ ...document, servers: [{ url: request.basePath || '/' }] }),
      uiHooks: {
        // Without the slash the page names its files by absolute paths, which a proxy may have
        // moved.
        onRequest: (request, reply, next) => {
          const isBare = request.url.split('?', 1)[0] === DOCS_PATH;
          if (isBare && request.basePath !== '') reply.redirect(`${DOCS_PATH}/`);
          else next();
        },
      },
    });
  },
  { name: 'openapi' },
);

/**
 * A route's schema with every possible error among its answers, so that the document is complete.
 */
function withProblems(schema: FastifySchema, methods: readonly string[]): FastifySchema {
  const byStatus = Map.groupBy(new Set(problemsOf(schema, methods)), (code) => ERRORS[code].status);
  const problems = Object.fromEntries([...byStatus].map(([status, codes]) => [status, problemAnswer(status, codes)]));
  return { ...schema, response: { ...(schema.response as object), ...problems } };
}

function problemsOf({ problems = [], params, security = [] }: FastifySchema, methods: readonly string[]): ErrorCode[] {
  const codes: ErrorCode[] = [...problems, 'invalid_request', 'rate_limited', 'unavailable', 'internal'];
  if (params !== undefined) codes.push('not_found');
  if (security.some((schemes) => Object.keys(schemes).length > 0)) codes.push('unauthenticated', 'forbidden');
  if (!methods.includes('GET')) codes.push('payload_too_large', 'unsupported_media_type');
  return codes;
}

function problemAnswer(status: number, codes: readonly ErrorCode[]): object {
  const text = { type: 'string' };
  const available = { type: 'integer', description: 'Units left, after a buy that was `sold_out`' };
  return {
    description: codes.map((code) => ERRORS[code].title).join('; '),
    content: {
      'application/problem+json': {
        schema: {
          type: 'object',
          required: ['type', 'title', 'status', 'code', 'request_id'],
          additionalProperties: false,
          properties: {
            type: text,
            title: text,
            status: { const: status },
            code: { enum: codes },
            detail: text,
            ...(codes.includes('sold_out') ? { available } : {}),
            request_id: text,
          },
        },
      },
    },
  };
}
