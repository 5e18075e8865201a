import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { onRequestHookHandler } from 'fastify';
import Type from 'typebox';
import { OUTCOMES, receivePaymentEvent } from '@flash-sale/shared/order-moves/payment-events.ts';
import { ProviderFault } from '@flash-sale/shared/payment/provider.ts';
import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import type { AppDeps } from '../deps.ts';
import { mayRefuse } from '../fields.ts';
import { AddressLimit } from '../limits/address-limit.ts';
import type { BucketLimit } from '../limits/bucket.ts';
import { addressLimitOf } from '../plugins/address-limit.ts';

/**
 * Events of other applications of the same account are larger than ours. If they were refused, the
 * provider would disable this endpoint. The metadata of an object of Stripe is at most 27,000
 * characters, and an invoice has several lines with some.
 */
const WEBHOOK_BYTES_MAX = 524_288;
/**
 * Calls of one address whose signature is not verified yet, or was wrong. A body must be read
 * before its signature can be verified, so this limits the memory that one address can occupy. A
 * provider takes from it only while its webhooks are on their way.
 */
const UNVERIFIED: BucketLimit = { capacity: 100, perSecond: 10 };

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
  Pick<AppDeps, 'config' | 'db' | 'saleTransactions' | 'providers' | 'metrics'>
> = async (app, deps) => {
  const unverified = new AddressLimit({ ...addressLimitOf(deps.config), ...UNVERIFIED });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: WEBHOOK_BYTES_MAX }, (_request, body, done) => {
    done(null, body);
  });

  // Before the body is read.
  const limitUnverified: onRequestHookHandler = (request, reply, next) => {
    const refusal = unverified.take(request.address);
    if (refusal === undefined) next();
    else reply.refuse('rate_limited', refusal);
  };
  const options = { schema: ReceiveEvent, onRequest: limitUnverified };
  app.post('/api/v1/payments/webhook/:provider', options, async (request, reply) => {
    const provider = deps.providers.of(request.params.provider);
    if (provider === undefined) return reply.refuse('not_found');
    if (!Buffer.isBuffer(request.body)) return reply.refuse('invalid_request', { detail: 'body is missing' });
    const webhook = await provider.verifyWebhook(request.body, request.headers).catch((error: unknown) => {
      if (!(error instanceof ProviderFault)) throw error;
      // The signature is right, but the provider did not say whose event it is. It sends the event
      // again later.
      unverified.giveBack(request.address);
      throw new Refusal('unavailable', { cause: error });
    });
    unverified.giveBack(request.address);
    if ('ignored' in webhook) {
      deps.metrics.paymentEvents.inc({ outcome: webhook.ignored });
      return { applied: false, outcome: webhook.ignored };
    }
    const outcome = await receivePaymentEvent({ ...deps, log: request.log }, provider.name, webhook.event);
    return { applied: outcome === 'applied' || outcome === 'wrong_amount', outcome };
  });
};
