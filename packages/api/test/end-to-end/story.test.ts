import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../../../../infra/src/services/ports.ts';
import { OPERATOR_TOKEN, openTestContext, type TestContext } from '../../testing/support.ts';
import { startProcess, type ServiceProcess } from '../../testing/service.ts';
import { Shoppers } from '../../testing/shoppers.ts';

let context: TestContext;
let processes: ServiceProcess[];
let shoppers: Shoppers;

beforeAll(async () => {
  context = await openTestContext();
  const port = await freePort();
  const env = { ...context.env, SERVER_PORT: String(port), PUBLIC_URL: `http://127.0.0.1:${port}` };
  processes = await Promise.all([startProcess('api', env), startProcess('worker', env)]);
  shoppers = new Shoppers(new URL(env.PUBLIC_URL));
});

afterAll(async () => {
  shoppers.close();
  for (const each of processes) await each.stop();
  await context.close();
});

/** What `grep` finds of an order in the logs of all processes: which process said what. */
const grep = (orderNo: string): string[] =>
  processes
    .flatMap(({ log }) => log)
    .filter((line) => JSON.stringify(line).includes(orderNo))
    .map((line) => `${(line as { name?: string }).name}: ${line.msg}`)
    .toSorted();

async function buy(productId: number, userId: string): Promise<string> {
  const { body } = await shoppers.buy(productId, userId, await shoppers.token(productId, userId));
  const { order_no: orderNo } = JSON.parse(body) as { order_no: string };
  expect(await shoppers.settled(orderNo)).toBe('pending_payment');
  return orderNo;
}

it('one grep by order number shows the whole history of an order, across processes', async () => {
  const sale = await shoppers.openSale(10);
  const [cancelled, refunded, expired] = [await buy(sale, 'ann'), await buy(sale, 'ben'), await buy(sale, 'cem')];
  const BOUGHT = ['api: buys accepted', 'worker: orders written'];
  expect(grep(cancelled)).toEqual(BOUGHT);

  await shoppers.call('POST', `/api/v1/orders/${cancelled}/cancel`, { user_id: 'ann' });
  await expect
    .poll(() => grep(cancelled))
    .toEqual([
      'api: buys accepted',
      'api: order cancelled',
      'api: orders moved',
      'worker: orders written',
      'worker: units given back',
    ]);

  await shoppers.call('POST', `/api/v1/orders/${refunded}/pay`, { user_id: 'ben' });
  await expect
    .poll(() => grep(refunded))
    .toEqual(['api: buys accepted', 'api: orders moved', 'api: payment started', 'worker: orders written']);
  await shoppers.call('POST', `/api/v1/admin/orders/${refunded}/refund`, undefined, {
    authorization: `Bearer ${OPERATOR_TOKEN}`,
  });
  await expect
    .poll(() => grep(refunded))
    .toEqual([
      'api: buys accepted',
      'api: orders moved',
      'api: orders moved',
      'api: payment started',
      'api: refund requested',
      'worker: asked the payment provider',
      'worker: orders written',
      'worker: units given back',
    ]);

  // As if its time to pay were over.
  await context.db
    .updateTable('orders')
    .set({ expires_at: new Date(0) })
    .where('order_no', '=', expired)
    .execute();
  await expect
    .poll(() => grep(expired))
    .toEqual(['api: buys accepted', 'worker: orders moved', 'worker: orders written', 'worker: units given back']);
});

it('the lines show the outcome of the order, and the request that bought it', async () => {
  const sale = await shoppers.openSale(1);
  const token = await shoppers.token(sale, 'dan');
  const { body } = await shoppers.buy(sale, 'dan', token, { 'x-request-id': 'the-buy-of-dan' });
  const { order_no: orderNo } = JSON.parse(body) as { order_no: string };
  await shoppers.settled(orderNo);
  await shoppers.call('POST', `/api/v1/orders/${orderNo}/cancel`, { user_id: 'dan' });
  await expect.poll(() => grep(orderNo)).toContain('worker: units given back');

  const lines = processes.flatMap(({ log }) => log);
  const said = (msg: string) => lines.find((line) => line.msg === msg && JSON.stringify(line).includes(orderNo));
  expect(said('buys accepted')).toMatchObject({ level: 'info', sale, orders: [[orderNo, 'the-buy-of-dan']] });
  expect(said('orders written')).toMatchObject({ sale, orders: [[orderNo, 'pending_payment', 'the-buy-of-dan']] });
  expect(said('orders moved')).toMatchObject({ sale, orders: [[orderNo, 'cancelled']] });
  expect(said('units given back')).toMatchObject({ sale, orders: [orderNo] });
});
