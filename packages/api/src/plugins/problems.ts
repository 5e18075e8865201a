import type { FastifyError, FastifyReply } from 'fastify';
import fp from 'fastify-plugin';
import { ERRORS, Refusal, type ErrorCode, type RefusalOptions } from '@flash-sale/shared/domain/errors.ts';
import { isDbOutage } from '@flash-sale/shared/db/errors.ts';
import { codeOfRedisError } from '@flash-sale/shared/redis/errors.ts';

declare module 'fastify' {
  interface FastifyReply {
    /** Answers with a row of the error table. For refusals of the hot path, which need no exception. */
    refuse(code: ErrorCode, options?: RefusalOptions): FastifyReply;
  }
}

/** Renders everything that goes wrong as RFC 9457 `application/problem+json`, from the one table of errors. */
export const problems = fp(
  (app, _options, done) => {
    app.decorateReply('refuse', function refuse(this: FastifyReply, code: ErrorCode, options?: RefusalOptions) {
      return send(this, code, options);
    });

    app.setErrorHandler<FastifyError>((error, request, reply) => {
      const refusal = refusalOf(error);
      if (refusal.status >= 500)
        request.log[refusal.code === 'internal' ? 'error' : 'warn']({ err: error }, 'request failed');
      return send(reply, refusal.code, refusal);
    });

    app.setNotFoundHandler((_request, reply) => send(reply, 'not_found'));
    done();
  },
  { name: 'problems' },
);

/** Answers with a row of the error table. */
export function send(reply: FastifyReply, code: ErrorCode, options: RefusalOptions = {}): FastifyReply {
  const { status, title } = ERRORS[code];
  const retry_after_s = options.retry_after_s ?? (status === 429 || status === 503 ? 1 : undefined);
  if (retry_after_s !== undefined) reply.header('retry-after', String(retry_after_s));
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  if (options.headers !== undefined) reply.headers(options.headers);
  // Already text, so that no schema of a route's answers applies to it.
  return reply
    .code(status)
    .type('application/problem+json')
    .serializer(asIs)
    .send(
      JSON.stringify({
        type: `urn:flash-sale:problem:${code}`,
        title,
        status,
        code,
        ...(options.detail === undefined ? {} : { detail: options.detail }),
        request_id: reply.request.id,
      }),
    );
}

const asIs = (body: unknown): string => body as string;

/** The row of the table for anything that was thrown. Messages of Fastify's own client errors are fit to show; others are not. */
function refusalOf(error: FastifyError | Refusal): Refusal {
  if (error instanceof Refusal) return error;
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new Refusal('payload_too_large');
  if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return new Refusal('unsupported_media_type');
  if (error.validation !== undefined) return new Refusal('invalid_request', { detail: error.message });
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return new Refusal('invalid_request', { detail: error.message });
  }
  const code = codeOfRedisError(error) ?? (isDbOutage(error) ? 'unavailable' : 'internal');
  return new Refusal(code, { cause: error });
}
