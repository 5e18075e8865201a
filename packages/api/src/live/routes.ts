import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { LiveStreams } from './live-streams.ts';
import { Live } from './schema.ts';

/** The live figures of the service, for operators. */
export const liveRoutes: FastifyPluginAsyncTypebox<{ readonly streams: LiveStreams }> = async (app, { streams }) => {
  app.get(
    '/api/v1/admin/live',
    // A HEAD would open a stream that nobody reads.
    { schema: Live, onRequest: app.requireOperator('viewer'), exposeHeadRoute: false },
    async (_request, reply) => {
      const stream = streams.open();
      if (stream === undefined) return reply.refuse('overloaded');
      // Asks nginx not to hold the events back.
      return reply.type('text/event-stream').header('x-accel-buffering', 'no').send(stream);
    },
  );
};
