import { describe, expect, test } from 'vitest';
import { createCommands } from '../../src/commands.ts';
import { connectRedis } from '../../src/platform/redis/client.ts';
import { newOrderNumber } from '../../src/order/order-number.ts';
import type { AdmitItem } from '../../src/admission/admission-commands.ts';
import { countsOf } from '../../src/sale/sale-figures.ts';
import type { Sale } from '../../src/sale/sale.ts';
import { buy, newAttempt, newCall, newItem, send, shoppers, takeLease, unitsOf } from '../../testing/buying.ts';
import { ordersOf, settle } from '../../testing/settling.ts';
import { testContext } from '../../testing/support.ts';

const context = await testContext();

/** Buys of one call, each by another shopper. */
async function attemptOf(sale: Sale, wanted: Readonly<Record<string, number>>) {
  const call = await newCall(context, sale);
  const items = await Promise.all(
    Object.entries(wanted).map(([user, quantity]) =>
      newItem(context, sale, user, { orderNo: newOrderNumber(sale, call.batchNo), quantity }),
    ),
  );
  return { sale, call, items };
}

const ask = async (sale: Sale, wanted: Readonly<Record<string, number>>) =>
  send(context, await attemptOf(sale, wanted));

describe('a buy of several units', () => {
  test('takes all of them, under one order number', async () => {
    const sale = await context.openSale({ unitsPerShopper: 3 });
    const { items, ...attempt } = await attemptOf(sale, { two: 2, one: 1, three: 3 });
    expect(await send(context, { ...attempt, items })).toMatchObject([
      { outcome: 'accepted' },
      { outcome: 'accepted' },
      { outcome: 'accepted' },
    ]);
    const [two, one, three] = items.map(({ orderNo }) => orderNo);
    expect(await unitsOf(context, sale)).toEqual({
      available: 4,
      total: 10,
      owners: { two: `${two}:2`, one, three: `${three}:3` },
    });
    expect(await context.commands.readSale(sale)).toMatchObject({ available: 4, held: 6, backlog: 3 });
    // Sent again after a lost reply, it takes nothing more.
    expect(await send(context, { ...attempt, items })).toMatchObject([
      { outcome: 'accepted' },
      { outcome: 'accepted' },
      { outcome: 'accepted' },
    ]);
    expect(await unitsOf(context, sale)).toMatchObject({ available: 4 });
  });

  test('takes none if fewer are left, and says how many; a smaller one behind it gets them', async () => {
    const sale = await context.openSale({ seckillStock: 4, unitsPerShopper: 3 });
    expect(await ask(sale, { a: 2, b: 3, c: 3, d: 2, e: 2, f: 1 })).toEqual([
      { outcome: 'accepted' },
      { outcome: 'sold_out', available: 2 },
      { outcome: 'sold_out', available: 2 },
      { outcome: 'accepted' },
      { outcome: 'sold_out', available: 0 },
      { outcome: 'sold_out', available: 0 },
    ]);
    expect(await ask(sale, { g: 1 })).toEqual([{ outcome: 'sold_out', available: 0 }]);
    expect(await unitsOf(context, sale)).toMatchObject({ available: 0 });
  });

  test('that was refused keeps its seckill token for the units that are left', async () => {
    const sale = await context.openSale({ seckillStock: 2, unitsPerShopper: 3 });
    const [item] = (await attemptOf(sale, { u1: 3 })).items as [AdmitItem];
    const call = await newCall(context, sale);
    expect(await send(context, { sale, call, items: [item] })).toEqual([{ outcome: 'sold_out', available: 2 }]);
    expect(await send(context, { sale, call, items: [{ ...item, quantity: 2 }] })).toEqual([{ outcome: 'accepted' }]);
  });

  test.each([1, 2])('of more than the sale allows is not valid, whatever is left (%i)', async (seckillStock) => {
    const sale = await context.openSale({ seckillStock, unitsPerShopper: 2 });
    expect(await ask(sale, { u1: 3 })).toEqual([{ outcome: 'invalid_request', unitsPerShopper: 2 }]);
    expect(await unitsOf(context, sale)).toEqual({ available: seckillStock, total: seckillStock, owners: {} });
  });

  test('by an owner gets the standing order and its quantity, whatever it asks for', async () => {
    const sale = await context.openSale({ seckillStock: 3, unitsPerShopper: 3 });
    const [owner] = await buy(context, sale, ['u1'], 3);
    const standing = { outcome: 'replayed', orderNo: owner!.orderNo, quantity: 3 };
    // Sold out, and above the limit.
    for (const quantity of [1, 2, 3, 4]) expect(await ask(sale, { u1: quantity })).toEqual([standing]);
    const single = await context.openSale({ unitsPerShopper: 3 });
    const [other] = await buy(context, single, ['u1']);
    expect(await ask(single, { u1: 3 })).toEqual([{ outcome: 'replayed', orderNo: other!.orderNo, quantity: 1 }]);
  });

  test('twice in one batch is one order of the first quantity', async () => {
    const sale = await context.openSale({ unitsPerShopper: 3 });
    const call = await newCall(context, sale);
    const first = await newItem(context, sale, 'u1', { orderNo: newOrderNumber(sale, call.batchNo), quantity: 2 });
    const second = { ...first, orderNo: newOrderNumber(sale, call.batchNo), quantity: 3 };
    expect(await send(context, { sale, call, items: [first, second] })).toEqual([
      { outcome: 'accepted' },
      { outcome: 'replayed', orderNo: first.orderNo, quantity: 2 },
    ]);
    expect(await unitsOf(context, sale)).toMatchObject({ available: 8, owners: { u1: `${first.orderNo}:2` } });
  });

  test('goes back with all of its units, once', async () => {
    const sale = await context.openSale({ unitsPerShopper: 3 });
    const owners = [...(await buy(context, sale, ['u1'], 3)), ...(await buy(context, sale, ['u2']))];
    const lease = await takeLease(context, sale);
    // Another order of the same shopper, and another shopper.
    const strangers = [
      { userId: 'u1', orderNo: 'none' },
      { ...owners[0]!, userId: 'u2' },
    ];
    expect(await context.commands.giveBack(sale, lease, strangers)).toBe(0);
    expect(await context.commands.giveBack(sale, lease, owners)).toBe(4);
    expect(await context.commands.giveBack(sale, lease, owners)).toBe(0);
    expect(await unitsOf(context, sale)).toEqual({ available: 10, total: 10, owners: {} });
  });

  test('has its quantity in the outbox, in the settled record and in a stuck batch', async () => {
    const sale = await context.openSale({ unitsPerShopper: 3 });
    const attempt = await newAttempt(context, sale, ['u1', 'u2'], { quantity: 3 });
    await send(context, attempt);
    const [first, second] = attempt.items.map(({ orderNo }) => orderNo) as [string, string];
    const lease = await takeLease(context, sale);
    const { batches } = (await context.commands.nextBatches(sale, lease, 100))!;
    expect(batches[0]!.reservations).toMatchObject([
      { orderNo: first, quantity: 3, isHeld: true },
      { orderNo: second, quantity: 3, isHeld: true },
    ]);
    expect((await context.commands.readOrder(sale, first)).reservation).toMatchObject({ quantity: 3 });

    await settle(context, sale, lease, await ordersOf(context, sale, [first]));
    expect((await context.commands.readOrder(sale, first)).settled).toMatchObject({ quantity: 3 });
    expect((await context.commands.readOrder(sale, second)).reservation).toMatchObject({ quantity: 3 });
    const failed = { ...(await ordersOf(context, sale, [second]))[0]!, expiresAtMs: undefined };
    await settle(context, sale, lease, [{ ...failed, status: 'failed', reason: 'no_unit', closedAtMs: Date.now() }]);
    expect((await context.commands.readOrder(sale, second)).settled).toMatchObject({ reason: 'no_unit', quantity: 3 });
  });

  test('is not held if the owner entry has another quantity', async () => {
    const sale = await context.openSale({ unitsPerShopper: 3 });
    const [owner] = await buy(context, sale, ['u1'], 3);
    await context.redis.hset(context.keys.sale(sale).owners, 'u1', `${owner!.orderNo}:2`);
    const { batches } = (await context.commands.nextBatches(sale, await takeLease(context, sale), 100))!;
    expect(batches[0]!.reservations).toMatchObject([{ quantity: 3, isHeld: false }]);
  });
});

test('a sale that an earlier version loaded allows one unit, and its owners hold one each', async () => {
  const sale = await context.openSale({ seckillStock: 3, unitsPerShopper: 3 });
  await context.redis.hdel(context.keys.sale(sale).state, 'units_per_shopper', 'extra_held');
  expect(await ask(sale, { u1: 2, u2: 1 })).toEqual([
    { outcome: 'invalid_request', unitsPerShopper: 1 },
    { outcome: 'accepted' },
  ]);
  expect(await context.commands.readSale(sale)).toMatchObject({ available: 2, held: 1 });
  const [figures] = await context.commands.readFigures([sale]);
  expect(countsOf(figures!)).toMatchObject({ available: 2, held: 1 });
});

test('no interleaving of buys sells more units than there are, or a part of an order', async () => {
  const units = 60;
  const sale = await context.openSale({ seckillStock: units, unitsPerShopper: 3 });
  const connections = Array.from({ length: 4 }, () => connectRedis(context.config, 'background'));
  try {
    const wanted = shoppers(80).map((user, i) => [user, 1 + (i % 3)] as const);
    const items = await Promise.all(wanted.map(async ([user, quantity]) => newItem(context, sale, user, { quantity })));
    const bought = new Map<string, number>();
    await Promise.all(
      connections.map(async (redis, n) => {
        const commands = createCommands(redis, context.keys);
        // Every shopper is tried on every connection, in another order, a few in a call.
        for (let i = 0; i < items.length; i += 4) {
          const call = await newCall({ ...context, commands }, sale);
          const some = [0, 1, 2, 3].map((j) => items[((i + j) * (n * 2 + 1)) % items.length]!);
          const tried = some.map((item) => ({ ...item, orderNo: newOrderNumber(sale, call.batchNo) }));
          for (const [j, admission] of (await commands.admit(sale, call, tried)).entries()) {
            const { userId, quantity } = tried[j]!;
            if (admission.outcome === 'accepted') bought.set(userId, (bought.get(userId) ?? 0) + quantity);
            const fits = admission.outcome === 'sold_out' && admission.available >= quantity;
            expect(fits).toBe(false);
          }
        }
      }),
    );
    for (const [user, quantity] of wanted) expect([undefined, quantity]).toContain(bought.get(user));
    const sold = [...bought.values()].reduce((sum, quantity) => sum + quantity, 0);
    const { available } = await unitsOf(context, sale);
    expect(sold + available).toBe(units);
    // What is left is less than anybody who was refused has wanted.
    expect(available).toBeLessThan(3);
    const lasting = await ask(sale, { last: Math.max(1, available) });
    expect(lasting).toEqual([available === 0 ? { outcome: 'sold_out', available: 0 } : { outcome: 'accepted' }]);
  } finally {
    for (const redis of connections) redis.disconnect();
  }
});
