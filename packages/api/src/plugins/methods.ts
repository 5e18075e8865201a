import type { FastifyInstance, HTTPMethods } from 'fastify';

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/**
 * Answers 405 with `Allow` if a path exists, but not with this method. Call this before the routes
 * are registered, and the returned function after them.
 */
export function collectMethods(app: FastifyInstance): () => void {
  const allowed = new Map<string, Set<string>>();
  let collecting = true;
  const withoutHead = new Set<string>();
  app.addHook('onRoute', ({ url, method, exposeHeadRoute }) => {
    if (!collecting) return;
    const known = allowed.get(url) ?? new Set();
    allowed.set(url, known);
    if (exposeHeadRoute === false) withoutHead.add(url);
    for (const name of [method].flat()) known.add(name.toUpperCase());
  });
  return () => {
    collecting = false;
    for (const [url, known] of allowed) {
      // Fastify answers HEAD itself for a GET route, unless the route refuses that.
      const others = METHODS.filter(
        (method) => !known.has(method) && !(method === 'HEAD' && known.has('GET') && !withoutHead.has(url)),
      );
      const allow = [...known].join(', ');
      app.route({
        method: others,
        url,
        schema: { hide: true },
        // Refuse before the body is read: its content does not matter.
        onRequest: async (_request, reply) => reply.refuse('method_not_allowed', { headers: { allow } }),
        handler: () => undefined,
      });
    }
  };
}
