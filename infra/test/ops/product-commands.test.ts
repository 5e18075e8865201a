import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPERATOR_TOKEN, openTestContext, type TestContext } from '@flash-sale/api/testing/support.ts';
import { startService, type Service } from '@flash-sale/api/testing/service.ts';
import { Shoppers } from '@flash-sale/api/testing/shoppers.ts';
import { jsonOf, ops, said } from './program.ts';

const DAY_MS = 86_400_000;
const at = (days: number): string => new Date(Date.now() + days * DAY_MS).toISOString();

let context: TestContext;
let service: Service;
let shoppers: Shoppers;

beforeAll(async () => {
  context = await openTestContext();
  service = await startService(context, { apis: 1, workers: 1 });
  shoppers = new Shoppers(service.url);
}, 60_000);

afterAll(async () => {
  await service?.stop();
  shoppers?.close();
  await context?.close();
}, 60_000);

async function create(options = ''): Promise<number> {
  const facts = `--name Phone --price 19.99 --start ${at(1)} --end ${at(2)} --units 5`;
  return (await jsonOf(service, `create ${facts} ${options}`))['id'] as number;
}

/** A command that the service or the program refuses. */
async function refused(args: string): Promise<string> {
  const { complained, code } = await ops(service, args, { ADMIN_TOKEN: OPERATOR_TOKEN });
  expect(code).not.toBe(0);
  return complained;
}

describe('npm run ops -- create', () => {
  it('creates a sale, with the units as the stock if no other is given', async () => {
    const id = await create('--description Blue --image-url https://shop.example/phone.png');
    const sale = { id, name: 'Phone', price: 19.99, seckill_stock: 5, stock: 5, status: 'scheduled', available: 5 };
    const texts = { description: 'Blue', image_url: 'https://shop.example/phone.png' };
    expect((await jsonOf(service, 'sales --limit 1'))['items']).toMatchObject([{ ...sale, ...texts }]);
    const other = await create('--stock 80');
    expect((await jsonOf(service, 'sales --limit 1'))['items']).toMatchObject([{ id: other, stock: 80 }]);
  });

  it('gives a sale a waiting room, whose rate can change', async () => {
    const id = await create(`--room-opens ${at(0.5)} --admit-per-second 20`);
    const roomOf = async () => ((await jsonOf(service, 'sales --limit 1'))['items'] as { waiting_room: object }[])[0];
    expect(await roomOf()).toMatchObject({ id, waiting_room: { admit_per_second: 20 } });
    expect(await jsonOf(service, `edit ${id} --admit-per-second 50`)).toMatchObject({
      waiting_room: { admit_per_second: 50 },
    });
  });

  it('names what is missing, and asks nothing of the service', async () => {
    expect(await refused('create --name Phone --price 5')).toMatch(/^Give --start, --end, --units; usage: /);
    expect(await refused('create --price 5.555')).toMatch(/^--price takes a price with at most two decimals/);
  });
});

describe('npm run ops -- edit', () => {
  it('changes what is given, and removes a text by an empty value', async () => {
    const id = await create('--description Blue');
    expect(await said(service, `edit ${id} --price 15 --name Tablet`)).toMatch(/^description +Blue$/m);
    const edited = await jsonOf(service, `edit ${id} --description=`);
    expect(edited).toMatchObject({ name: 'Tablet', price: 15 });
    expect(edited).not.toHaveProperty('description');
  });

  it('is refused without a change, with an empty name, and of a price after the start', async () => {
    const id = await shoppers.openSale(5);
    expect(await refused(`edit ${id}`)).toMatch(/^Give at least one option; usage: /);
    expect(await refused(`edit ${id} --name=`)).toMatch(/^--name needs a value/);
    expect(await refused(`edit ${id} --price 3`)).toMatch(/\(invalid_state\)/);
  });
});

describe('npm run ops -- delete', () => {
  it('deletes a sale that has no order, and no other', async () => {
    const id = await create();
    expect(await said(service, `delete ${id} --yes`)).toBe('deleted\n');
    expect(await refused(`delete ${id} --yes`)).toMatch(/\(not_found\)/);
    const sold = await shoppers.openSale(5);
    const order = await shoppers.buyUntilDecided(sold, 'ann', await shoppers.token(sold, 'ann'), () => undefined);
    await shoppers.settled(order.order_no!);
    expect(await refused(`delete ${sold} --yes`)).toMatch(/\(invalid_state\)/);
  });

  it('says what it deletes, and does nothing without a yes', async () => {
    const id = await create();
    expect(await refused(`delete ${id}`)).toMatch(new RegExp(`^This deletes sale ${id} \\(Phone, scheduled\\)\\. `));
    expect(await said(service, 'sales --limit 1')).toMatch(/Phone/);
  });
});

describe('npm run ops -- orders', () => {
  it('lists the orders of a sale, of a shopper, and of a status, page by page', async () => {
    const [one, other] = [await shoppers.openSale(5), await shoppers.openSale(5)];
    for (const [sale, user] of [
      [one, 'carl'],
      [one, 'dora'],
      [other, 'carl'],
    ] as const) {
      const order = await shoppers.buyUntilDecided(sale, user, await shoppers.token(sale, user), () => undefined);
      await shoppers.settled(order.order_no!);
    }
    const shoppersOf = async (args: string): Promise<string[]> => {
      const { items } = await jsonOf(service, `orders ${args}`);
      return (items as { user_id: string }[]).map(({ user_id: userId }) => userId);
    };
    expect(await shoppersOf(`--sale ${one}`)).toEqual(['dora', 'carl']);
    expect(await shoppersOf('--user carl')).toEqual(['carl', 'carl']);
    expect(await shoppersOf(`--sale ${one} --status paid`)).toEqual([]);
    const page = await said(service, `orders --sale ${one} --limit 1`);
    expect(page).toMatch(/^order +status +shopper +units +total +created +reason\n\S+ +pending_payment +dora /);
    const cursor = /^more: --cursor (\S+)$/m.exec(page)![1]!;
    expect(await shoppersOf(`--sale ${one} --limit 1 --cursor ${cursor}`)).toEqual(['carl']);
    expect(await refused('orders --status lost')).toMatch(/^--status takes /);
  });
});
