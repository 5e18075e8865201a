import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import Type from 'typebox';
import { applyPaymentEvent } from '@flash-sale/shared/order/moves.ts';
import type { AppDeps } from '../../deps.ts';
import { mayRefuse } from '../fields.ts';

const WEBHOOK_BYTES_MAX = 65_536;

/** Webhooks of payment providers. Their bodies are kept as they came, since it is those bytes that are signed. */
export const paymentRoutes: FastifyPluginAsyncTypebox<Pick<AppDeps, 'db' | 'saleTransactions' | 'provider'>> = async (
  app,
  deps,
) => {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: WEBHOOK_BYTES_MAX }, (_request, body, done) => {
    done(null, body);
  });

  app.post(
    '/api/v1/payments/webhook/:provider',
    {
      schema: {
        summary: 'An event of the payment provider',
        description: 'Signed by the provider. Each event is applied once; sent again, it changes nothing.',
        tags: ['payments'],
        params: Type.Object({ provider: Type.String({ maxLength: 16 }) }),
        ...mayRefuse('unauthenticated'),
        response: { 200: Type.Object({ applied: Type.Boolean() }) },
      },
    },
    async (request, reply) => {
      const { provider } = deps;
      if (request.params.provider !== provider.name) return reply.refuse('not_found');
      if (!Buffer.isBuffer(request.body)) return reply.refuse('invalid_request', { detail: 'body is missing' });
      const event = provider.verifyWebhook(request.body, request.headers);
      // Signed, and about something else.
      if (event === undefined) return { applied: false };
      const applied = await applyPaymentEvent(deps, provider.name, event);
      request.log.info({ payment_id: event.payment_id, kind: event.kind, applied }, 'payment event');
      return { applied };
    },
  );
};
