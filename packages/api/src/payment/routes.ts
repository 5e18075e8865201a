import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import Type from 'typebox';
import { OUTCOMES, receivePaymentEvent } from '@flash-sale/shared/order-moves/payment-events.ts';
import { ProviderFault } from '@flash-sale/shared/payment/provider.ts';
import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import type { AppDeps } from '../deps.ts';
import { mayRefuse } from '../fields.ts';

/**
 * Events of other applications of the same account are larger than ours. If they were refused, the
 * provider would disable this endpoint.
 */
const WEBHOOK_BYTES_MAX = 1_048_576;

const ReceiveEvent = {
  summary: 'Receive an event from the payment provider',
  description:
    'The provider signs the event. Each event is applied once; a repeated event changes nothing. Every event with a valid signature is answered with 200, even if the service ignores it: `outcome` says what happened.',
  tags: ['payments'],
  params: Type.Object({ provider: Type.String({ maxLength: 16 }) }),
  ...mayRefuse('unauthenticated'),
  response: { 200: Type.Object({ applied: Type.Boolean(), outcome: Type.Enum([...OUTCOMES]) }) },
};

/**
 * Webhooks of payment providers. Their bodies are kept unchanged, since the signature covers these
 * bytes.
 */
export const paymentRoutes: FastifyPluginAsyncTypebox<
  Pick<AppDeps, 'db' | 'saleTransactions' | 'providers' | 'metrics'>
> = async (app, deps) => {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: WEBHOOK_BYTES_MAX }, (_request, body, done) => {
    done(null, body);
  });

  app.post('/api/v1/payments/webhook/:provider', { schema: ReceiveEvent }, async (request, reply) => {
    const provider = deps.providers.of(request.params.provider);
    if (provider === undefined) return reply.refuse('not_found');
    if (!Buffer.isBuffer(request.body)) return reply.refuse('invalid_request', { detail: 'body is missing' });
    // If the provider cannot say whose event it is, it sends the event again later.
    const webhook = await provider.verifyWebhook(request.body, request.headers).catch((error: unknown) => {
      throw error instanceof ProviderFault ? new Refusal('unavailable', { cause: error }) : error;
    });
    if ('ignored' in webhook) {
      deps.metrics.paymentEvents.inc({ outcome: webhook.ignored });
      return { applied: false, outcome: webhook.ignored };
    }
    const outcome = await receivePaymentEvent({ ...deps, log: request.log }, provider.name, webhook.event);
    return { applied: outcome === 'applied' || outcome === 'wrong_amount', outcome };
  });
};
