import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectDb, type Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { buy } from '@flash-sale/shared/testing/buying.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { readLedger, refuseOrdersOf } from '../ledger.ts';
import { reservationsOf, setSold, writerOf } from './ledger-writing.ts';

let context: TestContext;
let ledgerDb: Db;
beforeAll(async () => {
  context = await openTestContext();
  ledgerDb = connectDb(context.config, 'lease');
});
afterAll(async () => {
  await ledgerDb.destroy();
  await context.close();
});

const quantitiesOf = async (productId: number) =>
  context.db
    .selectFrom('orders')
    .select(['user_id', 'quantity', 'status', 'reason'])
    .where('product_id', '=', productId)
    .orderBy('order_no')
    .execute();

test('sold rises by the units of the written orders', async () => {
  const sale = await context.openSale({ unitsPerShopper: 3 });
  await buy(context, sale, ['three'], 3);
  await buy(context, sale, ['one']);
  const { writer, lease } = await writerOf(context, ledgerDb, sale);
  const written = await writer.write(await reservationsOf(context, sale, lease));
  expect(written.map(({ userId, quantity }) => [userId, quantity])).toEqual([
    ['three', 3],
    ['one', 1],
  ]);
  expect(await readLedger(context.db, sale)).toMatchObject({ sold: 4 });
  expect(await quantitiesOf(sale.id)).toMatchObject([{ quantity: 3 }, { quantity: 1 }]);
});

test('an order that needs more units than the ledger has left fails whole; a smaller one behind it is written', async () => {
  const sale = await context.openSale({ seckillStock: 10, unitsPerShopper: 3 });
  await buy(context, sale, ['two'], 2);
  await buy(context, sale, ['three'], 3);
  await buy(context, sale, ['one']);
  await setSold(context, sale, 6);
  const { writer, lease } = await writerOf(context, ledgerDb, sale);
  await writer.write(await reservationsOf(context, sale, lease));
  const { sold, returns } = await readLedger(context.db, sale);
  expect(sold).toBe(9);
  expect(await quantitiesOf(sale.id)).toEqual([
    { user_id: 'two', quantity: 2, status: 'pending_payment', reason: null },
    { user_id: 'three', quantity: 3, status: 'failed', reason: 'no_unit' },
    { user_id: 'one', quantity: 1, status: 'pending_payment', reason: null },
  ]);
  expect(returns).toHaveLength(1);
});

test('an order of three that MySQL refuses fails with its quantity, and the others count', async () => {
  const sale = await context.openSale({ unitsPerShopper: 3 });
  await buy(context, sale, ['refused'], 3);
  await buy(context, sale, ['two'], 2);
  await refuseOrdersOf(context.db, 'refused');
  const { writer, lease } = await writerOf(context, ledgerDb, sale);
  await writer.write(await reservationsOf(context, sale, lease));
  expect(await readLedger(context.db, sale)).toMatchObject({ sold: 2 });
  expect(await quantitiesOf(sale.id)).toMatchObject([
    { user_id: 'refused', quantity: 3, status: 'failed', reason: 'refused' },
    { user_id: 'two', quantity: 2, status: 'pending_payment' },
  ]);
});
