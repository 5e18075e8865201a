import { afterAll, beforeAll, expect, it } from 'vitest';
import { openStage, press, says, type Stage } from './support.ts';

let stage: Stage;

beforeAll(async () => {
  stage = await openStage({
    AUTH_MODE: 'jwt',
    JWT_SECRET: 'the-secret-that-signs-access-tokens',
    CHALLENGE_BITS: '12',
  });
});

afterAll(async () => {
  await stage?.close();
});

async function accessTokenOf(name: string): Promise<string> {
  const response = await fetch(`${stage.url}/api/v1/dev/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user_id: name }),
  });
  return ((await response.json()) as { access_token: string }).access_token;
}

it('a shopper of the development login solves the proof of work in a worker, and buys', async () => {
  const sale = await stage.createSale();
  const { page, noise } = await stage.open(`/sales/${sale}`);
  await page.getByLabel('Your name').fill('rio');
  await press(page, 'Continue');
  const worker = page.waitForEvent('worker');
  await press(page, 'Buy now');
  expect((await worker).url()).toMatch(/\/assets\/[^/]+\/storefront\/solver-worker\.js$/);
  await says(page, 'yours');
  await press(page, /^Pay /);
  await says(page, 'Paid');
  expect(await stage.ordersOf(sale)).toMatchObject([{ user_id: 'rio', status: 'paid' }]);
  // The first call for a token asks for the challenge.
  expect(noise().filter((line) => !/403/.test(line))).toEqual([]);
});

it('a shopper whose access token the shop hands over buys without a name, and the address keeps no token', async () => {
  const sale = await stage.createSale();
  const { page } = await stage.open(`/sales/${sale}#access_token=${await accessTokenOf('sue')}`);
  await press(page, 'Buy now');
  await says(page, 'yours');
  expect(page.url()).toBe(`${stage.url}/sales/${sale}`);
  expect(await stage.ordersOf(sale)).toMatchObject([{ user_id: 'sue' }]);
});

it('an access token that is refused is forgotten, and the shopper signs in again', async () => {
  const sale = await stage.createSale();
  const token = await accessTokenOf('tom');
  const forged = `${token.slice(0, -4)}AAAA`;
  const { page } = await stage.open(`/sales/${sale}#access_token=${forged}`);
  await press(page, 'Buy now');
  await page.getByLabel('Your name').fill('tom');
  await press(page, 'Continue');
  await says(page, 'yours');
  expect(await stage.ordersOf(sale)).toMatchObject([{ user_id: 'tom' }]);
});
