import fp from 'fastify-plugin';
import type { Readiness } from '@flash-sale/shared/platform/telemetry/ops-server.ts';

/**
 * `/healthz`: the process is alive. `/readyz`: it is started and not draining, with the state of
 * Redis and MySQL.
 */
export const health = fp<{ readonly readiness: () => Promise<Readiness> }>(
  (app, { readiness }, done) => {
    const schema = { hide: true };
    app.get('/healthz', { schema }, () => ({ status: 'ok' }));
    app.get('/readyz', { schema }, async (_request, reply) => {
      const { ready, ...servers } = await readiness();
      return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not_ready', ...servers });
    });
    done();
  },
  { name: 'health' },
);
