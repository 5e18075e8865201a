import { beforeEach, describe, expect, it } from 'vitest';
import { insertOrderEvents } from '@flash-sale/shared/order-events/order-events-table.ts';
import { listActions } from '../../src/operator/operator-actions-table.ts';
import { placeOrders } from '@flash-sale/shared/testing/ordering.ts';
import { AS_OPERATOR, openTestApp } from '../../testing/support.ts';

const { context, app } = await openTestApp({
  EVENTS_URL: 'http://receiver.test/',
  EVENTS_SECRET: `whsec_${Buffer.alloc(24).toString('base64')}`,
});
// One dead message, one that waits for its next attempt, one that was never tried.
beforeEach(async () => {
  const { db } = context;
  await db.deleteFrom('order_events').execute();
  const sale = await context.openSale();
  const orders = await placeOrders(context, sale, ['a', 'b', 'c']);
  for (const order of orders)
    await db.transaction().execute((tx) => insertOrderEvents(tx, sale.id, [order], Date.now()));
  const [dead, retried] = await db.selectFrom('order_events').select('id').orderBy('id').execute();
  const tried = { attempts: 3, last_error: 'The receiver answers 500', next_attempt_at: new Date() };
  await db
    .updateTable('order_events')
    .set({ ...tried, message_id: 'msg_dead', dead_at: new Date() })
    .where('id', '=', dead!.id)
    .execute();
  await db
    .updateTable('order_events')
    .set({ ...tried, message_id: 'msg_retried' })
    .where('id', '=', retried!.id)
    .execute();
});

interface Page {
  readonly items: readonly { readonly message_id: string | null }[];
  readonly next_cursor: string | null;
}
const list = async (query = ''): Promise<Page> =>
  (await app.get(`/api/v1/admin/order-events${query}`, AS_OPERATOR)).json<Page>();
const idsOf = ({ items }: Page) => items.map(({ message_id: messageId }) => messageId);

describe('order events that are not delivered', () => {
  it('are shown to operators, page by page, or only the dead ones', async () => {
    const first = await list('?limit=2');
    expect(idsOf(first)).toEqual(['msg_dead', 'msg_retried']);
    expect(idsOf(await list(`?limit=2&cursor=${first.next_cursor}`))).toEqual([null]);
    const dead = await list('?state=dead');
    expect(dead.items).toMatchObject([
      {
        message_id: 'msg_dead',
        status: 'pending_payment',
        orders: 1,
        attempts: 3,
        last_error: 'The receiver answers 500',
      },
    ]);
  });

  it('are delivered again on an operator’s call if they are dead', async () => {
    const answer = await app.post('/api/v1/admin/order-events/retry', undefined, AS_OPERATOR);
    expect(answer.json()).toEqual({ retried: 1 });
    expect((await list('?state=dead')).items).toEqual([]);
    expect((await list()).items[0]).toMatchObject({ message_id: 'msg_dead', attempts: 0, next_attempt_at: null });
    expect(await listActions(context.db, { limit: 1 })).toMatchObject([
      { action: 'retry', subject: 'dead order events' },
    ]);
  });

  it('are deleted on an operator’s call if they are dead', async () => {
    const answer = await app.post('/api/v1/admin/order-events/discard', undefined, AS_OPERATOR);
    expect(answer.json()).toEqual({ discarded: 1 });
    expect(idsOf(await list())).toEqual(['msg_retried', null]);
    expect(await listActions(context.db, { limit: 1 })).toMatchObject([{ action: 'discard' }]);
  });

  it('are for operators', async () => {
    expect(await app.get('/api/v1/admin/order-events')).toBeProblem('unauthenticated');
    expect(await app.post('/api/v1/admin/order-events/retry')).toBeProblem('unauthenticated');
    expect(await app.post('/api/v1/admin/order-events/discard')).toBeProblem('unauthenticated');
  });
});
