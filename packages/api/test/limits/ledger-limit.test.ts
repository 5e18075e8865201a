import { describe, expect, it } from 'vitest';
import { batchNoOf } from '@flash-sale/shared/order/order-number.ts';
import type { Order } from '@flash-sale/shared/order/order.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { placeOrder } from '@flash-sale/shared/testing/ordering.ts';
import { openOwnRedis } from '../../testing/own-servers.ts';
import { openApp, openTestContext, openTestApp, type TestApp, type TestContext } from '../../testing/support.ts';
import { retired, signed } from '../seckill/tokens-and-times.ts';

const LIMIT = { RATE_LIMIT_LEDGER: '1/5', TRUSTED_PROXIES: '127.0.0.1' };
const BURST = 5;
const { context, app } = await openTestApp(LIMIT);

type Answer = Awaited<ReturnType<TestApp['get']>>;
/** The headers of a call from an address that no other call comes from. */
let addresses = 0;
const elsewhere = () => ({ 'x-forwarded-for': `10.1.${(addresses >> 8) & 255}.${(addresses += 1) & 255}` });

let shoppers = 0;
/** An order of a new shopper. */
const newOrder = async (on: TestContext = context): Promise<Order> =>
  placeOrder(on, await on.openSale(), `limited-${(shoppers += 1)}`);
/** One that only the ledger knows, as 10 minutes after it was settled. */
async function oldOrder(): Promise<Order> {
  const order = await newOrder();
  const { productId: id, orderNo } = order;
  expect(await context.redis.del(context.keys.settledBatch({ id, shard: 0 }, batchNoOf(orderNo)))).toBe(1);
  return order;
}
const urlOf = ({ orderNo }: Order): string => `/api/v1/orders/${orderNo}`;
const pay = (on: TestApp, order: Order): Promise<Answer> =>
  on.post(`${urlOf(order)}/pay`, { user_id: order.userId, sandbox: 'never' }, elsewhere());
const buyAgain = (on: TestApp, { id }: Pick<Sale, 'id'>, userId: string): Promise<Answer> =>
  on.post('/api/v1/seckill/buy', { user_id: userId, product_id: id, token: signed(id, userId) }, elsewhere());

/** How many of many calls at once were let through. The others were refused by the limit. */
async function passedOf(call: () => Promise<Answer>): Promise<Answer[]> {
  const startedMs = performance.now();
  const answers = await Promise.all(Array.from({ length: 40 }, call));
  const refused = answers.filter(({ statusCode }) => statusCode === 429);
  for (const answer of refused) {
    expect(answer).toBeProblem('rate_limited');
    expect(answer.headers).toMatchObject({
      'ratelimit-policy': '"ledger";q=5;w=5',
      ratelimit: expect.stringMatching(/^"ledger";r=0;t=\d/),
    });
  }
  const passed = answers.filter(({ statusCode }) => statusCode !== 429);
  expect(passed.length).toBeGreaterThanOrEqual(BURST);
  expect(passed.length).toBeLessThanOrEqual(BURST + Math.ceil((performance.now() - startedMs) / 1_000));
  return passed;
}

const CALLS: readonly (readonly [string, (on: TestApp, order: Order) => Promise<Answer>])[] = [
  ['the list of orders', (on, { userId }) => on.get(`/api/v1/orders?user_id=${userId}`, elsewhere())],
  ['polls of an old order', (on, order) => on.get(`${urlOf(order)}?user_id=${order.userId}`, elsewhere())],
  ['long polls of an old order', (on, order) => on.get(`${urlOf(order)}?wait=5&user_id=${order.userId}`, elsewhere())],
  ['polls of an old order without a name', (on, order) => on.get(urlOf(order), elsewhere())],
  ['payments', pay],
  ['cancellations', (on, order) => on.post(`${urlOf(order)}/cancel`, { user_id: order.userId }, elsewhere())],
];

describe('the limit of a shopper’s calls that reach the ledger', () => {
  it.each(CALLS)('holds for %s, from any number of addresses', async (_what, call) => {
    const order = await oldOrder();
    for (const answer of await passedOf(() => call(app, order))) expect(answer.statusCode).toBe(200);
    // Nobody else is affected.
    expect((await call(app, await oldOrder())).statusCode).toBe(200);
  });

  it('holds for buys in a sale that only the ledger keeps', async () => {
    const sale = await context.insertSale(retired());
    for (const answer of await passedOf(() => buyAgain(app, sale, 'late'))) expect(answer).toBeProblem('ended');
  });

  it.each(CALLS)('refuses %s without a read of the ledger', async (_what, call) => {
    const order = await oldOrder();
    const cut = await openApp(context, LIMIT, { bounds: { productCacheMs: 60_000 } });
    try {
      // It knows the sale, so only the order is read from the ledger, which is away from now on.
      expect(await cut.get(`${urlOf(order)}?user_id=stranger`)).toBeProblem('not_found');
      await cut.deps.db.destroy();
      for (const answer of await passedOf(() => call(cut, order)))
        expect(answer.statusCode).toBeGreaterThanOrEqual(500);
    } finally {
      await cut.close();
    }
  });

  it('is one for all of these calls together, and tells when to come back', async () => {
    const order = await oldOrder();
    const answers = await Promise.all(CALLS.slice(0, 5).flatMap(([, call]) => [call(app, order), call(app, order)]));
    expect(answers.filter(({ statusCode }) => statusCode === 429).length).toBeGreaterThanOrEqual(3);
    await expect.poll(async () => (await pay(app, order)).statusCode).toBe(200);
  });

  it('takes nothing for polls that Redis answers: of queued orders, and of those settled recently', async () => {
    const sale = await context.openSale();
    const queued = await app.win(sale, 'queued');
    const settled = await newOrder();
    for (const url of [`/api/v1/orders/${queued}?user_id=queued`, `${urlOf(settled)}?user_id=${settled.userId}`]) {
      const answers = await Promise.all(Array.from({ length: 40 }, () => app.get(url, elsewhere())));
      expect(answers.map(({ statusCode }) => statusCode)).toEqual(answers.map(() => 200));
    }
  });

  it('refuses no retry of a buy: the shopper gets the order number, and a poll will show its status', async () => {
    const order = await oldOrder();
    await passedOf(() => app.get(`/api/v1/orders?user_id=${order.userId}`, elsewhere()));
    for (let i = 0; i < 10; i += 1) {
      const again = await buyAgain(app, { id: order.productId }, order.userId);
      expect([again.statusCode, again.json()]).toEqual([202, expect.objectContaining({ order_no: order.orderNo })]);
    }
  });
});

it('shoppers can pay while Redis is away, within the same limit', async () => {
  const redis = await openOwnRedis();
  const own = await openTestContext({ ...LIMIT, ...redis.env, REDIS_TIMEOUT_MS: '200' });
  own.redis.on('error', () => undefined);
  const without = await openApp(own);
  try {
    const order = await newOrder(own);
    await without.get(`/api/v1/products/${order.productId}`);
    await redis.kill();
    const passed = await passedOf(() => pay(without, order));
    expect(passed.map((answer) => answer.json())).toEqual(
      passed.map(() => expect.objectContaining({ next: expect.objectContaining({ action: 'redirect' }) })),
    );
  } finally {
    await redis.restart();
    await without.close();
    await own.close();
    await redis.close();
  }
});
