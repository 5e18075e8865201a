import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { discardDeadOrderEvents, reviveOrderEvents } from '@flash-sale/shared/order-events/dead-order-events.ts';
import { listOrderEvents } from '@flash-sale/shared/order-events/order-events-table.ts';
import { recordAction } from '../operator/operator-actions-table.ts';
import type { AppDeps } from '../deps.ts';
import { isoOf, LIMIT_DEFAULT, nextCursor } from '../fields.ts';
import { actionOf } from '../operator/action.ts';
import { DiscardOrderEvents, ListOrderEvents, RetryOrderEvents } from './schema.ts';

const SUBJECT = 'dead order events';

/** Operators' calls on order events that were not delivered. */
export const orderEventRoutes: FastifyPluginAsyncTypebox<Pick<AppDeps, 'db'>> = async (app, { db }) => {
  const reading = { onRequest: app.requireOperator('viewer') };
  const changing = { onRequest: app.requireOperator('admin') };

  app.get('/api/v1/admin/order-events', { schema: ListOrderEvents, ...reading }, async (request) => {
    const { state, limit = LIMIT_DEFAULT, cursor } = request.query;
    const rows = await listOrderEvents(db, { limit, afterId: Number(cursor ?? 0), deadOnly: state === 'dead' });
    const timeOf = (date: Date | null) => date && isoOf(date.getTime());
    const items = rows.map(({ created_at: createdAt, next_attempt_at: nextAttemptAt, dead_at: deadAt, ...row }) => ({
      ...row,
      time: isoOf(createdAt.getTime()),
      next_attempt_at: timeOf(nextAttemptAt),
      dead_at: timeOf(deadAt),
    }));
    return { items, next_cursor: nextCursor(rows, limit, ({ id }) => String(id)) };
  });

  app.post('/api/v1/admin/order-events/retry', { schema: RetryOrderEvents, ...changing }, async (request) => {
    await recordAction(db, actionOf(request, 'retry', SUBJECT));
    return { retried: await reviveOrderEvents(db) };
  });

  app.post('/api/v1/admin/order-events/discard', { schema: DiscardOrderEvents, ...changing }, async (request) => {
    await recordAction(db, actionOf(request, 'discard', SUBJECT));
    return { discarded: await discardDeadOrderEvents(db) };
  });
};
