import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { isRecorded, recordAction } from '../operator/operator-actions-table.ts';
import { ordersOfShopper } from './shoppers-table.ts';
import { checkErasable, eraseShopper, newPseudonym, subjectOf } from './erase.ts';
import type { AppDeps } from '../deps.ts';
import { LIMIT_DEFAULT, nextCursor } from '../fields.ts';
import { actionOf } from '../operator/action.ts';
import { orderFile } from '../order/order-file.ts';
import { EraseShopper, ExportShopper } from './schema.ts';

/** Operators' calls on a shopper's data: export and erasure. */
export const shopperRoutes: FastifyPluginAsyncTypebox<Pick<AppDeps, 'db' | 'commands'>> = async (app, deps) => {
  const { db } = deps;
  const changing = { onRequest: app.requireOperator('admin') };

  app.get('/api/v1/admin/shoppers/:userId/export', { schema: ExportShopper, ...changing }, async (request) => {
    const { userId } = request.params;
    const { limit = LIMIT_DEFAULT, cursor } = request.query;
    // An export is one action. A page is recorded as well if its first page is not: a cursor can be
    // made up.
    const action = actionOf(request, 'export', subjectOf(userId));
    if (cursor === undefined || !(await isRecorded(db, action))) await recordAction(db, action);
    const files = await ordersOfShopper(db, userId, limit, cursor);
    return {
      user_id: userId,
      orders: files.map(({ order, history, payments }) => orderFile(order, history, payments)),
      next_cursor: nextCursor(files, limit, ({ order }) => order.orderNo),
    };
  });

  app.post('/api/v1/admin/shoppers/:userId/erase', { schema: EraseShopper, ...changing }, async (request) => {
    const { userId } = request.params;
    await checkErasable(deps, userId);
    const pseudonym = newPseudonym();
    await recordAction(db, actionOf(request, 'erase', subjectOf(pseudonym)));
    const orders = await eraseShopper(deps, userId, pseudonym);
    request.log.info({ pseudonym, orders }, 'shopper erased');
    return { pseudonym, orders };
  });
};
