import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startService, type Service } from '@flash-sale/api/testing/service.ts';
import { openTestContext, OPERATOR_TOKEN, type TestContext } from '@flash-sale/api/testing/support.ts';
import { buyUnit, createClient, Refused, Unreachable } from '../../src/client/client.ts';
import { solveChallenge } from '../../src/client/proof-of-work.ts';

let context: TestContext;
let service: Service;
let url: string;

beforeAll(async () => {
  context = await openTestContext();
  service = await startService(context, { apis: 1, workers: 1, env: { CHALLENGE_BITS: '10' } });
  url = service.url.origin;
}, 120_000);

afterAll(async () => {
  await service?.stop();
  await context?.close();
});

async function createSale(units: number, startsInMs = 0, unitsPerShopper = 1): Promise<number> {
  const startMs = Date.now() + startsInMs;
  const response = await fetch(`${url}/api/v1/admin/products`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${OPERATOR_TOKEN}` },
    body: JSON.stringify({
      name: 'Phone',
      price: 10,
      stock: units,
      seckill_stock: units,
      units_per_shopper: unitsPerShopper,
      start_time: new Date(startMs).toISOString(),
      end_time: new Date(startMs + 3_600_000).toISOString(),
    }),
  });
  return ((await response.json()) as { id: number }).id;
}

const shopper = (userId: string, send: typeof fetch = fetch) => createClient({ url, userId, fetch: send });
const options = { solve: solveChallenge };

describe('the client', () => {
  it('buys before the start, solves the proof of work, and pays', async () => {
    const client = shopper('ann');
    const order = await buyUnit(client, await createSale(1, 1_500), options);
    expect(order).toMatchObject({ status: 'pending_payment', user_id: 'ann', price: 10 });
    expect(await client.pay(order.order_no)).toMatchObject({ provider: 'sandbox', next: { action: 'redirect' } });
    await expect.poll(() => client.order(order.order_no)).toMatchObject({ status: 'paid' });
    expect((await client.orders()).items.map(({ order_no: number }) => number)).toEqual([order.order_no]);
  });

  it('returns the same order when it is asked again, and when an answer was lost', async () => {
    const sale = await createSale(5);
    let losses = 0;
    const losing: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      if ((input as URL).pathname.endsWith('/seckill/buy') && losses < 2) {
        losses += 1;
        throw new TypeError('the network is gone');
      }
      return response;
    };
    const order = await buyUnit(shopper('ben', losing), sale, options);
    expect(losses).toBe(2);
    expect((await buyUnit(shopper('ben'), sale, options)).order_no).toBe(order.order_no);
  });

  it('buys several units, and learns how many are left if there are fewer', async () => {
    const sale = await createSale(4, 0, 3);
    const order = await buyUnit(shopper('eli'), sale, { ...options, quantity: 2 });
    expect(order).toMatchObject({ quantity: 2, price: 10, total: 20 });
    expect(await shopper('eli').pay(order.order_no)).toMatchObject({ amount: 20 });
    const refused = buyUnit(shopper('fay'), sale, { ...options, quantity: 3 });
    await expect(refused).rejects.toMatchObject({ code: 'sold_out', available: 2 });
    expect(await buyUnit(shopper('fay'), sale, { ...options, quantity: 2 })).toMatchObject({ quantity: 2 });
  });

  it('says by a code why there is nothing to buy', async () => {
    const sale = await createSale(1);
    const first = await buyUnit(shopper('cleo'), sale, options);
    await expect(buyUnit(shopper('dan'), sale, options)).rejects.toMatchObject({ code: 'sold_out', status: 409 });
    expect(await shopper('cleo').cancel(first.order_no)).toMatchObject({ status: 'cancelled' });
    await expect(shopper('dan').product(sale + 1_000)).rejects.toMatchObject({ code: 'not_found' });
    await expect(shopper('not a name').token(sale)).rejects.toBeInstanceOf(Refused);
  });

  it('learns the time of the service from its answers', async () => {
    const client = shopper('eve');
    await client.products({ limit: 1 });
    expect(Math.abs(client.clock.now() - Date.now())).toBeLessThan(1_000);
  });

  it('does not take the error page of a proxy for an answer of the service', async () => {
    const proxy: typeof fetch = async () => new Response('<h1>Bad gateway</h1>', { status: 502 });
    await expect(shopper('fay', proxy).products()).rejects.toBeInstanceOf(Unreachable);
    const portal: typeof fetch = async () => new Response('<h1>Log in to our WLAN</h1>');
    await expect(shopper('fay', portal).products()).rejects.toBeInstanceOf(Unreachable);
  });
});
