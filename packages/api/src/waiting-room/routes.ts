import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import { KEPT_AFTER_END_MS } from '@flash-sale/shared/sale/sale.ts';
import type { AppDeps } from '../deps.ts';
import { isoOf, SHOPPER_BODY_BYTES_MAX } from '../fields.ts';
import type { Catalog } from '../sale/catalog.ts';
import type { Challenges } from '../seckill/challenges.ts';
import type { Pressure } from '../seckill/pressure.ts';
import type { Doorkeeper } from './doorkeeper.ts';
import type { Joins } from './joins.ts';
import { hasRoom, placeOf, placeView, statusOf, type SaleWithRoom } from './place-view.ts';
import type { RoomReader } from './room-reader.ts';
import type { RoomWaiters } from './room-waiters.ts';
import { GetPlace, JoinRoom } from './schema.ts';

/** Seconds after which a shopper who does not wait in a long poll asks again. */
const ASK_AGAIN_S = '2';

type Deps = Pick<AppDeps, 'config' | 'clock'> & {
  readonly catalog: Catalog;
  readonly challenges: Challenges;
  readonly pressure: Pressure;
  readonly doorkeeper: Doorkeeper;
  readonly joins: Joins;
  readonly rooms: RoomReader;
  readonly roomWaiters: RoomWaiters;
};

/** Waiting rooms. */
export const waitingRoomRoutes: FastifyPluginAsyncTypebox<Deps> = async (app, deps) => {
  const { config, clock, catalog, challenges, pressure, doorkeeper, joins, rooms, roomWaiters } = deps;
  const passMs = config.PASS_SECONDS * 1_000;
  const path = '/api/v1/seckill/queue';

  /** @throws Refusal `not_found`, `ended` or `invalid_state` */
  async function saleOf(id: number): Promise<SaleWithRoom> {
    const sale = await catalog.sale(id);
    if (sale === undefined) throw new Refusal('not_found');
    if (!hasRoom(sale)) throw new Refusal('invalid_state', { detail: 'The sale has no waiting room' });
    if (sale.cleaned || clock(sale.shard).nowMs() > sale.endMs + KEPT_AFTER_END_MS) throw new Refusal('ended');
    return sale;
  }

  const joining = { schema: JoinRoom, bodyLimit: SHOPPER_BODY_BYTES_MAX, onRequest: app.limitAddress };
  app.post(path, joining, async (request, reply) => {
    const { product_id: saleId, solution } = request.body;
    const userId = await app.shopper(request, request.body.user_id);
    const claim = { userId, saleId };
    // A solution may be used for several joins, since joining again gives no advantage.
    if (challenges.areRequired && (solution === undefined || !(await challenges.solved(solution, claim)))) {
      return reply.refuse('challenge_required');
    }
    const sale = await saleOf(saleId);
    const { opensAtMs } = sale.room;
    const nowMs = clock(sale.shard).nowMs();
    if (nowMs >= sale.endMs) return reply.refuse('ended');
    const leftMs = opensAtMs - nowMs;
    if (leftMs > 0) {
      return reply.refuse('not_started', {
        detail: `The waiting room opens at ${isoOf(opensAtMs)}`,
        retryAfterS: Math.ceil(leftMs / 1_000),
      });
    }
    if (pressure.sheds) return reply.refuse('overloaded');
    const join = await joins.join(sale, userId);
    if (join.outcome !== 'joined') return reply.refuse(join.outcome);
    const guest = { userId, joined: join.joined };
    return { ticket: join.ticket, ...placeView(sale, guest, await rooms.read(sale), passMs) };
  });

  app.get(path, { schema: GetPlace, ...app.limitMisses }, async (request, reply) => {
    const { user_id: claimed, product_id: saleId, ticket, wait = 0, seen = 'waiting' } = request.query;
    const userId = await app.shopper(request, claimed);
    const sale = await saleOf(saleId);
    const guest = doorkeeper.guest(sale, userId, ticket);
    /** The place does not change once it is known, and thousands ask for theirs each second. */
    let place: number | undefined;
    const isNew = (reading: Awaited<ReturnType<typeof rooms.read>>): boolean => {
      place ??= placeOf(sale, guest, reading);
      return statusOf(sale, place, reading) !== seen;
    };
    if (wait > 0 && !isNew(await rooms.read(sale))) {
      await roomWaiters.until(sale, { waitMs: wait * 1_000, gone: request.signal, done: isNew });
    }
    const reading = await rooms.read(sale);
    const view = placeView(sale, guest, reading, passMs);
    if (!reading.room.isLoaded && view.status !== 'ended') return reply.refuse('not_ready');
    if (view.status === 'waiting' || view.status === 'sold_out') reply.header('retry-after', ASK_AGAIN_S);
    return view;
  });
};
