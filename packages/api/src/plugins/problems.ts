import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { ERRORS, Refusal, type ErrorCode, type RefusalOptions } from '@flash-sale/shared/platform/errors.ts';
import { STATUS_CODES } from '@flash-sale/shared/platform/node-http.ts';
import { isDbOutage } from '@flash-sale/shared/platform/mysql/errors.ts';
import { codeOfRedisError } from '@flash-sale/shared/platform/redis/errors.ts';
import { FaultLog } from '../fault-log.ts';
import { SAFE_HEADERS } from './safe-headers.ts';

declare module 'fastify' {
  interface FastifyReply {
    /** `ok`, or the error code of the answer; for the metrics. */
    outcome: ErrorCode | 'ok';
    /**
     * Answers with a row of the error table. For refusals on the hot path, without an exception.
     */
    refuse(code: ErrorCode, options?: RefusalOptions): FastifyReply;
  }
}

/** Renders all errors as RFC 9457 `application/problem+json`, from the one table of errors. */
export const problems = fp(
  (app, _options, done) => {
    app.decorateReply('outcome', 'ok');
    app.decorateReply('refuse', function refuse(this: FastifyReply, code: ErrorCode, options?: RefusalOptions) {
      return send(this, code, options);
    });

    const faults = new FaultLog();
    app.setErrorHandler<FastifyError>((error, request, reply) => {
      const refusal = refusalOf(error);
      if (refusal.status >= 500 && !faults.report(request.log, error))
        request.log[refusal.code === 'internal' ? 'error' : 'warn']({ err: error }, 'request failed');
      return send(reply, refusal.code, refusal);
    });

    app.addHook('onRequest', (request, reply, next) => {
      const refused = codingProblem(request);
      if (refused === undefined) next();
      else send(reply, 'unsupported_media_type', refused);
    });

    app.setNotFoundHandler((_request, reply) => send(reply, 'not_found'));
    // Fastify would parse text/plain as a string, and then report an invalid body instead of an
    // unsupported type.
    app.removeContentTypeParser('text/plain');
    done();
  },
  { name: 'problems' },
);

/**
 * The reason why the body cannot be read at all: it is compressed, or in another character set.
 * Otherwise it would be reported as "not JSON".
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-15.5.16 415 names what would be accepted
 */
function codingProblem({ method, headers }: FastifyRequest): RefusalOptions | undefined {
  const { 'content-encoding': encoding, 'content-type': type = '' } = headers;
  if (encoding === undefined && type === 'application/json') return undefined;
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (!hasBody || method === 'GET' || method === 'HEAD') return undefined;
  if (!/^\s*identity\s*$/i.test(encoding ?? 'identity')) {
    return { detail: 'The body must not be compressed', headers: { 'accept-encoding': 'identity' } };
  }
  const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(type)?.[1] ?? 'utf-8';
  if (/^(?:utf-?8|us-ascii)$/i.test(charset)) return undefined;
  return { detail: 'The body must be UTF-8', headers: ACCEPTED };
}

const ACCEPTED = { accept: 'application/json' };

/** Answers with a row of the error table. */
export function send(reply: FastifyReply, code: ErrorCode, options: RefusalOptions = {}): FastifyReply {
  const { status } = ERRORS[code];
  reply.outcome = code;
  const retryAfterS = options.retryAfterS ?? (status === 429 || status === 503 ? 1 : undefined);
  if (retryAfterS !== undefined) reply.header('retry-after', String(retryAfterS));
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  if (options.headers !== undefined) reply.headers(options.headers);
  // Already text, so that no response schema of the route applies.
  return reply
    .code(status)
    .type(PROBLEM_JSON)
    .serializer(asIs)
    .send(bodyOf(code, reply.request.id, options));
}

/** Answers requests that Fastify refuses before routing: its own answers have another form. */
export function refuseUnrouted(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  // No hook runs for these requests.
  reply.headers({ ...SAFE_HEADERS, 'x-request-id': request.id });
  // A path that is too long for its route names nothing that exists.
  send(reply, error.code === 'FST_ERR_MAX_PARAM_LENGTH' ? 'not_found' : 'invalid_request');
}

/**
 * Answers input that never becomes a request: it is not HTTP, its headers are too long, or it
 * arrives too slowly. If an earlier request of the connection is not answered yet, there is no
 * answer: it would be taken for the answer to that request, which may have an effect.
 */
export function refuseUnread(error: Error & { readonly code?: string }, socket: Socket): void {
  const { _httpMessage: open } = socket as { readonly _httpMessage?: ServerResponse | null };
  const isOfEarlier = open?.headersSent === true || open?.req.complete === true;
  if (error.code !== 'ECONNRESET' && socket.writable && !isOfEarlier) {
    const code = error.code === 'HPE_HEADER_OVERFLOW' ? 'payload_too_large' : 'invalid_request';
    const requestId = randomUUID();
    const body = bodyOf(code, requestId);
    socket.write(
      `HTTP/1.1 ${ERRORS[code].status} ${STATUS_CODES[ERRORS[code].status]}\r\nconnection: close\r\nx-request-id: ${requestId}\r\n` +
        `content-type: ${PROBLEM_JSON}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }
  socket.destroy(error);
}

/** The part of each problem document that is the same in every answer: all but its end. */
const BEGINNINGS = Object.fromEntries(
  Object.entries(ERRORS).map(([code, { title, status }]) => {
    const document = JSON.stringify({ type: `urn:flash-sale:problem:${code}`, title, status, code });
    return [code, document.slice(0, -1)];
  }),
) as Record<ErrorCode, string>;

function bodyOf(code: ErrorCode, requestId: string, { detail, facts }: RefusalOptions = {}): string {
  let middle = detail === undefined ? '' : `,"detail":${JSON.stringify(detail)}`;
  for (const name in facts) middle += `,"${name}":${facts[name]}`;
  return `${BEGINNINGS[code]}${middle},"request_id":${JSON.stringify(requestId)}}`;
}

export const PROBLEM_JSON = 'application/problem+json';

const asIs = (body: unknown): string => body as string;

/**
 * The row of the table for any thrown error. Messages of Fastify's own client errors may be shown;
 * others may not.
 */
function refusalOf(error: FastifyError | Refusal): Refusal {
  if (error instanceof Refusal) return error;
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new Refusal('payload_too_large');
  if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return new Refusal('unsupported_media_type', { headers: ACCEPTED });
  if (error.validation !== undefined) return new Refusal('invalid_request', { detail: error.message });
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return new Refusal('invalid_request', { detail: error.message });
  }
  const code = codeOfRedisError(error) ?? (isDbOutage(error) ? 'unavailable' : 'internal');
  return new Refusal(code, { cause: error });
}
