import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply } from 'fastify';
import type { Order } from '@flash-sale/shared/order/order.ts';
import { KEPT_AFTER_END_MS, type Sale } from '@flash-sale/shared/sale/sale.ts';
import { expiryOf } from '@flash-sale/shared/seckill-token/seckill-token.ts';
import { findLiveOrder } from '@flash-sale/shared/order/orders-table.ts';
import type { Admissions, Decision } from './admissions.ts';
import type { OutcomeCounts } from './outcome-counts.ts';
import type { Pressure } from './pressure.ts';
import type { Catalog } from '../sale/catalog.ts';
import type { AppDeps } from '../deps.ts';
import type { Doorkeeper } from '../waiting-room/doorkeeper.ts';
import { hasRoom } from '../waiting-room/place-view.ts';
import type { Challenges, SolvedChallenge } from './challenges.ts';
import type { TokenIssuer } from './token-issuer.ts';
import type { ChargeLedger } from '../limits/ledger-limit.ts';
import { rateLimited } from '../limits/rate-limited.ts';
import type { OrderReader } from '../order/order-reader.ts';
import { isoOf, SHOPPER_BODY_BYTES_MAX } from '../fields.ts';
import { Buy, GetChallenge, IssueToken } from './schema.ts';

/** Seconds after which a shopper should poll a queued order. */
const POLL_AFTER_S = '1';

type Deps = Pick<AppDeps, 'config' | 'db' | 'clock' | 'tokens' | 'providers'> & {
  readonly catalog: Catalog;
  readonly challenges: Challenges;
  readonly doorkeeper: Doorkeeper;
  readonly issuer: TokenIssuer;
  readonly admissions: Admissions;
  readonly outcomes: OutcomeCounts;
  readonly orders: OrderReader;
  readonly pressure: Pressure;
  readonly chargeLedger: ChargeLedger;
};

/** Seckill tokens and buys. */
export const seckillRoutes: FastifyPluginAsyncTypebox<Deps> = async (app, deps) => {
  const { config, db, clock, tokens, providers, catalog, challenges, doorkeeper } = deps;
  const { issuer, admissions, outcomes, orders, pressure, chargeLedger } = deps;
  const bodyLimit = SHOPPER_BODY_BYTES_MAX;
  /** The sale ended so long ago that Redis does not keep it any more. */
  const isRetired = (sale: Sale): boolean => sale.cleaned || clock(sale.shard).nowMs() > sale.endMs + KEPT_AFTER_END_MS;

  if (challenges.areRequired) {
    app.get(
      '/api/v1/seckill/challenge',
      { schema: GetChallenge, onRequest: app.limitAddress },
      async (request, reply) => {
        const { user_id: claimed, product_id: saleId } = request.query;
        const userId = await app.shopper(request, claimed);
        const { parameters, signature = '' } = await challenges.create({ userId, saleId });
        reply.header('cache-control', 'no-store');
        return { parameters: { ...parameters }, signature };
      },
    );
  }

  app.post(
    '/api/v1/seckill/token',
    { schema: IssueToken, bodyLimit, onRequest: app.limitAddress },
    async (request, reply) => {
      const { product_id: productId, solution, ticket } = request.body;
      const userId = await app.shopper(request, request.body.user_id);
      const claim = { userId, saleId: productId };
      let challenge: SolvedChallenge | undefined;
      // A shopper with a ticket has solved a challenge to get it.
      if (challenges.areRequired && ticket === undefined) {
        challenge = solution === undefined ? undefined : await challenges.solved(solution, claim);
        if (challenge === undefined) return reply.refuse('challenge_required');
      }
      const sale = await catalog.sale(productId);
      if (sale === undefined) return reply.refuse('not_found');
      if (isRetired(sale)) return reply.refuse('ended');
      // The provider was changed since the sale was created. Its orders could not be paid.
      if (sale.priceCents < providers.current.minimumCents(config.CURRENCY)) {
        return reply.refuse('invalid_state', { detail: 'The price is below the minimum of the payment provider' });
      }
      if (pressure.sheds) return reply.refuse('overloaded');
      if (hasRoom(sale)) await doorkeeper.letIn(sale, userId, ticket);
      else if (challenges.areRequired && challenge === undefined) return reply.refuse('challenge_required');

      const issuance = await issuer.issue(sale, claim, challenge);
      if (issuance.outcome !== 'issued') return reply.refuse(issuance.outcome);
      return { token: issuance.token, expires_at: isoOf(expiryOf(issuance.token)) };
    },
  );

  app.post('/api/v1/seckill/buy', { schema: Buy, bodyLimit }, async (request, reply) => {
    const { product_id: productId, token, quantity = 1 } = request.body;
    const userId = await app.shopper(request, request.body.user_id);
    // An expired token is accepted here: its shopper may own an order.
    if (!tokens.verify(token, { userId, saleId: productId })) {
      // A forged token must not cause a database read.
      const known = catalog.known(productId);
      // Do not recreate the key of a retired sale: it has no TTL.
      if (known !== undefined && !isRetired(known)) outcomes.add(known, 'token_invalid');
      return reply.refuse('token_invalid');
    }
    const sale = await catalog.sale(productId);
    if (sale === undefined) return reply.refuse('not_found');
    if (isRetired(sale)) {
      chargeLedger(userId);
      const order = await findLiveOrder(db, sale.id, userId);
      return order === undefined ? reply.refuse('ended') : accept(reply, order, true);
    }

    if (pressure.sheds) {
      outcomes.add(sale, 'overloaded');
      return reply.refuse('overloaded');
    }
    const decision = await admissions.admit(sale, {
      userId,
      token,
      quantity,
      requestId: request.id,
      traceparent: request.traceparent,
    });
    outcomes.add(sale, decision.outcome);
    switch (decision.outcome) {
      case 'accepted':
        return accept(reply, { orderNo: decision.orderNo, quantity, status: 'queued' }, false);
      case 'replayed':
        return accept(reply, { ...decision, status: await statusOf(sale, decision.orderNo, userId) }, true);
      case 'sold_out':
        return reply.refuse('sold_out', { facts: { available: decision.available } });
      case 'invalid_request':
        return reply.refuse('invalid_request', { detail: `body/quantity must be <= ${decision.unitsPerShopper}` });
      case 'rate_limited':
        return refuseRate(reply, decision);
      default:
        return reply.refuse(decision.outcome);
    }
  });

  /** The status of an existing order, or `queued` if it cannot be read now: a poll will show it. */
  async function statusOf(sale: Sale, orderNo: string, userId: string): Promise<Order['status']> {
    try {
      const order = await orders.read(sale, orderNo, { beforeLedger: () => chargeLedger(userId) });
      return order?.status ?? 'queued';
    } catch {
      return 'queued';
    }
  }

  function accept(
    reply: FastifyReply,
    { orderNo, quantity, status }: Pick<Order, 'orderNo' | 'quantity' | 'status'>,
    replayed: boolean,
  ): FastifyReply {
    return reply
      .code(202)
      .headers({ location: `/api/v1/orders/${orderNo}`, 'retry-after': POLL_AFTER_S })
      .send({ order_no: orderNo, status, quantity, ...(replayed ? { replayed } : {}) });
  }

  function refuseRate(
    reply: FastifyReply,
    { limit, waitMs }: Extract<Decision, { outcome: 'rate_limited' }>,
  ): FastifyReply {
    const [capacity, perSecond] =
      limit === 'global'
        ? [config.RATE_LIMIT_GLOBAL_CAPACITY, config.RATE_LIMIT_GLOBAL_PER_SECOND]
        : [config.RATE_LIMIT_USER_CAPACITY, config.RATE_LIMIT_USER_PER_SECOND];
    return reply.refuse('rate_limited', rateLimited(limit, { capacity, perSecond }, waitMs));
  }
};
