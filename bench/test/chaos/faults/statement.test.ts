import { markReturnsApplied } from '@flash-sale/shared/order/stock-returns-table.ts';
import { applyPaymentEvent } from '@flash-sale/shared/order-moves/apply-payment-event.ts';
import { cancelOrder } from '@flash-sale/shared/order-moves/cancel-and-expire.ts';
import { rebuildSale } from '@flash-sale/shared/reconciliation/rebuild.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { stampFence } from '@flash-sale/shared/sale/stamps-table.ts';
import { openPayment, placeOrder } from '@flash-sale/shared/testing/ordering.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import {
  commitAfter,
  insertsOrders,
  marksReturns,
  movesOrders,
  readsOwners,
  recordsPayments,
  startsWriting,
} from '../../../chaos/faults/statement.ts';
import { Proxy, type Passing } from '../../../chaos/proxy.ts';

let proxy: Proxy;
let context: TestContext;
let sale: Sale;

beforeAll(async () => {
  const { DB_HOST, DB_PORT } = inject('servers');
  proxy = new Proxy(Number(DB_PORT), DB_HOST);
  context = await openTestContext({ DB_HOST: '127.0.0.1', DB_PORT: String(await proxy.listen('worker-1')) });
  sale = await context.openSale();
});
afterAll(async () => {
  await context.close();
  await proxy.close();
});

type Matcher = (passing: Passing) => boolean;

/** Whether a fault would have struck while the service did this, and how often. */
async function strikes(matches: Matcher, work: () => Promise<unknown>): Promise<number> {
  let count = 0;
  const unwatch = proxy.watch((passing) => {
    if (matches(passing)) count += 1;
    return 'pass';
  });
  await work();
  unwatch();
  return count;
}

const write = (user: string) => placeOrder(context, sale, user);

async function stamp(): Promise<void> {
  const { id } = await context.insertSale();
  await context.db.transaction().execute((tx) => stampFence(tx, id, 1));
}

async function cancel(): Promise<void> {
  await cancelOrder(context, await write('who-cancels'), { actor: 'shopper' });
}

async function pay(): Promise<void> {
  const paymentId = await openPayment(context, (await write('who-pays')).orderNo);
  await applyPaymentEvent(context, 'sandbox', { eventId: paymentId, paymentId, kind: 'succeeded' });
}

// A statement that changed its beginning was never met again: returned units were marked by another
// one for days.
test.each<[string, () => Matcher, () => Promise<unknown>]>([
  ['writes orders', () => insertsOrders, () => write('who-buys')],
  ['commits written orders', () => commitAfter(insertsOrders), () => write('who-buys-more')],
  ['begins to write in a later transaction', startsWriting, () => write('who-buys-last')],
  ['begins to write by its stamp', startsWriting, stamp],
  ['moves orders', () => movesOrders, cancel],
  ['commits a payment', () => commitAfter(recordsPayments), pay],
  ['marks units as given back', () => marksReturns, () => markReturnsApplied(context.db, ['no-order'])],
  ['reads owners for a rebuild', () => readsOwners(sale.id), () => rebuildSale(context, sale, 5_000)],
])('a fault is caused when the service %s, on the server of this run', async (_what, matcher, work) => {
  expect(await strikes(matcher(), work)).toBe(1);
});

test('no fault changes the owners of another sale', async () => {
  expect(await strikes(readsOwners(sale.id + 1), () => rebuildSale(context, sale, 5_000))).toBe(0);
});
