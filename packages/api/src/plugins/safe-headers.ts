import fp from 'fastify-plugin';

/**
 * Answers are data: nothing in them may be executed, framed, interpreted as another type, loaded by
 * pages of other origins, or cached. Each header costs time in every answer, so these are only the
 * ones that data needs.
 *
 * @see https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html
 */
export const SAFE_HEADERS = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
  'cross-origin-resource-policy': 'same-origin',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
} as const;

/** What a page needs as well: it has links, opens windows, and may be shown by an old browser. */
const PAGE_HEADERS = {
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
} as const;

/**
 * The policy of our pages: scripts and styles of their own origin only. Pages with styles in their
 * elements, such as Swagger UI, need `'unsafe-inline'` for styles; scripts never get it.
 */
export const PAGE_POLICY = [
  "default-src 'none'",
  // The dashboard of the queues sets its own base.
  "base-uri 'self'",
  "connect-src 'self'",
  "font-src 'self' data:",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "img-src 'self' data:",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
].join('; ');

/**
 * Sets the headers that Helmet would set, from a constant table: Helmet builds its headers again
 * for each request, which took twice as long as the rest of an answer.
 */
export const safeHeaders = fp(
  (app, _options, done) => {
    app.addHook('onRequest', (_request, reply, next) => {
      reply.headers(SAFE_HEADERS);
      next();
    });
    app.addHook('onSend', (_request, reply, payload, next) => {
      const type = reply.getHeader('content-type');
      if (typeof type === 'string' && type.startsWith('text/html')) reply.headers(PAGE_HEADERS);
      next(null, payload);
    });
    done();
  },
  { name: 'safe-headers' },
);
