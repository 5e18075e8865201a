import fp from 'fastify-plugin';
import { readyzAnswer, type Readiness } from '@flash-sale/shared/platform/telemetry/ops-server.ts';

/**
 * `/healthz`: the process is alive. `/readyz`: it is started and not draining, with the state of
 * Redis and MySQL.
 */
export const health = fp<{ readonly readiness: () => Promise<Readiness> }>(
  (app, { readiness }, done) => {
    const schema = { hide: true };
    app.get('/healthz', { schema }, () => ({ status: 'ok' }));
    app.get('/readyz', { schema }, async (_request, reply) => {
      const { status, body } = readyzAnswer(await readiness());
      return reply.code(status).send(body);
    });
    done();
  },
  { name: 'health' },
);
