import fp from 'fastify-plugin';

/**
 * RFC 3986: a name or an IPv4 address, or an IPv6 address in brackets; then a port. Empty is valid.
 */
const HOST = /^(?:[\w.~!$&'()*+;=%-]*|\[[\da-f:.]+\])(?::\d*)?$/i;

/**
 * Refuses a request with an invalid `Host` field, or with several: a proxy may route by another one
 * than this service reads. Node.js refuses a request without it.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2
 */
export const host = fp(
  (app, _options, done) => {
    app.addHook('onRequest', (request, reply, next) => {
      const { host: value = '' } = request.headers;
      if (HOST.test(value)) {
        next();
        return;
      }
      reply.header('connection', 'close');
      reply.refuse('invalid_request', { detail: 'The Host field must be valid and occur once' });
    });
    done();
  },
  { name: 'host' },
);
