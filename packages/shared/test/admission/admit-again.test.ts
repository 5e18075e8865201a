import { describe, expect, test } from 'vitest';
import { newBatchNo, newOrderNumber } from '../../src/order/order-number.ts';
import type { Sale } from '../../src/sale/sale.ts';
import {
  buy,
  issueToken,
  liveTokenOf,
  loseToken,
  newAttempt,
  newCall,
  newItem,
  NO_LIMITS,
  send,
  shoppers,
  takeLease,
  unitsOf,
} from '../../testing/buying.ts';
import { ordersOf, settle } from '../../testing/settling.ts';
import { testContext } from '../../testing/support.ts';
import { REFUSALS, buyWith, changingNothing, outcomes, setState } from './admitting.ts';

const context = await testContext();

describe('one shopper twice in a batch', () => {
  test('gets one unit, and the order number of the first buy for both', async () => {
    const sale = await context.openSale({ seckillStock: 5 });
    const token = await issueToken(context, sale, 'u1');
    const first = await newItem(context, sale, 'u1', { token });
    const second = await newItem(context, sale, 'u1', { token });
    const other = await newItem(context, sale, 'u2');
    const call = await newCall(context, sale);
    const answers = [
      { outcome: 'accepted' },
      { outcome: 'accepted' },
      { outcome: 'replayed', orderNo: first.orderNo, quantity: 1 },
    ];
    expect(await context.commands.admit(sale, call, [first, other, second])).toEqual(answers);
    expect((await unitsOf(context, sale)).owners).toEqual({ u1: first.orderNo, u2: other.orderNo });
    expect(await context.commands.backlog(sale)).toBe(2);
    // The whole batch again, as ioredis re-sends it after a lost reply.
    expect(
      outcomes(await changingNothing(context, sale, () => context.commands.admit(sale, call, [first, other, second]))),
    ).toEqual(['accepted', 'accepted', 'unavailable']);
  });

  test('is refused twice if the first is refused; the second may succeed if only the seckill token differs', async () => {
    const sale = await context.openSale();
    const good = await newItem(context, sale, 'u1');
    const bad = await newItem(context, sale, 'u1', { token: 'nobody issued this' });
    const call = await newCall(context, sale);
    expect(outcomes(await context.commands.admit(sale, call, [bad, bad]))).toEqual(['token_invalid', 'token_invalid']);
    expect(outcomes(await context.commands.admit(sale, call, [bad, good]))).toEqual(['token_invalid', 'accepted']);
  });

  test('draws from its bucket once for each item that reaches it', async () => {
    const sale = await context.openSale();
    const bad = await newItem(context, sale, 'twice', { token: 'nobody issued this' });
    const call = await newCall(context, sale, { limits: { ...NO_LIMITS, userCapacity: 2, userPerSecond: 0.001 } });
    expect(outcomes(await context.commands.admit(sale, call, [bad, bad, bad]))).toEqual([
      'token_invalid',
      'token_invalid',
      'rate_limited',
    ]);
  });
});

describe('the same call again, as ioredis sends it after a lost reply', () => {
  test('is accepted again and takes no second unit', async () => {
    const sale = await context.openSale({ seckillStock: 10 });
    const attempt = await newAttempt(context, sale, shoppers(4));
    expect(outcomes(await send(context, attempt))).toEqual(Array(4).fill('accepted'));
    for (let again = 0; again < 3; again += 1) {
      expect(outcomes(await changingNothing(context, sale, () => send(context, attempt)))).toEqual(
        Array(4).fill('accepted'),
      );
    }
    expect(await unitsOf(context, sale)).toMatchObject({ available: 6, total: 10 });
  });

  test('is accepted again after the last unit is sold, the sale is paused or ended, or the seckill token has expired', async () => {
    const sale = await context.openSale({ seckillStock: 1 });
    const attempt = await newAttempt(context, sale, ['u1']);
    await send(context, attempt);
    await REFUSALS.paused(context, sale);
    await REFUSALS.ended(context, sale);
    await loseToken(context, sale, 'u1');
    expect(await changingNothing(context, sale, () => send(context, attempt))).toEqual([{ outcome: 'accepted' }]);
  });

  test('after its deadline is accepted if its order exists, else answers unavailable and changes nothing', async () => {
    const sale = await context.openSale();
    const [accepted, fresh] = [await newItem(context, sale, 'u1'), await newItem(context, sale, 'u2')];
    const call = await newCall(context, sale);
    await context.commands.admit(sale, call, [accepted]);
    const late = { ...call, deadlineMs: (await context.commands.clock(0)).nowMs - 1 };
    const secondOfU1 = { ...accepted, orderNo: newOrderNumber(sale, newBatchNo(Date.now())) };
    const answers = await changingNothing(context, sale, () =>
      context.commands.admit(sale, late, [accepted, fresh, secondOfU1]),
    );
    // Another number of an owner may be one that was accepted and closed since, so nothing is
    // claimed about it.
    expect(outcomes(answers)).toEqual(['accepted', 'unavailable', 'unavailable']);
    expect(outcomes(await context.commands.admit(sale, await newCall(context, sale), [fresh]))).toEqual(['accepted']);
  });

  test('in another history of Redis is accepted if its order exists, else answers unavailable and changes nothing', async () => {
    const sale = await context.openSale();
    const [accepted, fresh] = [await newItem(context, sale, 'u1'), await newItem(context, sale, 'u2')];
    const call = await newCall(context, sale);
    await context.commands.admit(sale, call, [accepted]);
    for (const historyId of ['', 'f'.repeat(40)]) {
      const elsewhere = { ...call, historyId };
      const answers = await changingNothing(context, sale, () =>
        context.commands.admit(sale, elsewhere, [accepted, fresh]),
      );
      expect(outcomes(answers)).toEqual(['accepted', 'unavailable']);
    }
  });

  test('late or in another history answers unavailable before any refusal, since its first run may have been accepted', async () => {
    const sale = await context.openSale();
    const item = await newItem(context, sale, 'u1');
    const call = await newCall(context, sale);
    for (const refuse of Object.values(REFUSALS).toReversed()) {
      await refuse(context, sale);
      for (const unanswerable of [{ deadlineMs: 0 }, { historyId: 'x' }]) {
        const admissions = await changingNothing(context, sale, () =>
          context.commands.admit(sale, { ...call, ...unanswerable }, [item]),
        );
        expect(outcomes(admissions)).toEqual(['unavailable']);
      }
    }
  });

  test('is accepted by its batch if the unit was given back meanwhile, and takes no unit', async () => {
    const sale = await context.openSale({ seckillStock: 2 });
    const attempt = await newAttempt(context, sale, ['u1']);
    await send(context, attempt);
    const lease = await takeLease(context, sale);
    expect(await context.commands.giveBack(sale, lease, attempt.items)).toBe(1);
    expect(await changingNothing(context, sale, () => send(context, attempt))).toEqual([{ outcome: 'accepted' }]);
    const late = { ...attempt, call: { ...attempt.call, deadlineMs: 0 } };
    expect(await changingNothing(context, sale, () => send(context, late))).toEqual([{ outcome: 'accepted' }]);
    expect(await unitsOf(context, sale)).toMatchObject({ available: 2, owners: {} });
  });

  test('with a seckill token that another of the shopper’s orders consumed is refused', async () => {
    const sale = await context.openSale();
    const attempt = await newAttempt(context, sale, ['u1']);
    await send(context, attempt);
    const lease = await takeLease(context, sale);
    await context.commands.giveBack(sale, lease, attempt.items);
    const { token } = attempt.items[0]!;
    expect((await changingNothing(context, sale, () => buyWith(context, sale, {}, { token }))).outcome).toBe(
      'token_invalid',
    );
  });
});

describe('a sale that is not ready', () => {
  test.each([
    ['stopped by a rebuild', async (sale: Sale) => void (await setState(context, sale, { ready: 0 }))],
    [
      'loaded in another history of Redis',
      async (sale: Sale) => void (await setState(context, sale, { history_id: 'e'.repeat(40) })),
    ],
  ])('because it was %s accepts only what the same call accepted before', async (_, stop) => {
    const sale = await context.openSale();
    const attempt = await newAttempt(context, sale, ['u1']);
    const [own] = attempt.items;
    await send(context, attempt);
    await stop(sale);
    const again = { ...own!, orderNo: newOrderNumber(sale, newBatchNo(Date.now())) };
    const fresh = { ...own!, userId: 'u2', orderNo: newOrderNumber(sale, newBatchNo(Date.now())) };
    const items = [own!, again, fresh];
    const answers = await changingNothing(context, sale, () => context.commands.admit(sale, attempt.call, items));
    expect(outcomes(answers)).toEqual(['accepted', 'unavailable', 'unavailable']);
    const call = await newCall(context, sale);
    expect(outcomes(await context.commands.admit(sale, call, [again, fresh]))).toEqual(['not_ready', 'not_ready']);
    const late = { ...attempt.call, deadlineMs: 0 };
    expect(outcomes(await changingNothing(context, sale, () => context.commands.admit(sale, late, items)))).toEqual([
      'accepted',
      'unavailable',
      'unavailable',
    ]);
  });

  test('accepts a call again whose batch waits for the ledger, although a rebuild left it no unit: it ends as failed', async () => {
    const sale = await context.openSale();
    const attempt = await newAttempt(context, sale, ['u1']);
    await send(context, attempt);
    await context.redis.del(context.keys.sale(sale).owners);
    await setState(context, sale, { ready: 0 });
    expect(outcomes(await changingNothing(context, sale, () => send(context, attempt)))).toEqual(['accepted']);
    const next = await context.commands.nextBatches(sale, await takeLease(context, sale), 10);
    expect(next!.batches.flatMap(({ reservations }) => reservations)).toMatchObject([{ isHeld: false }]);
  });

  test('is the state of an emptied Redis and of an unknown sale: never sold out', async () => {
    const sale = await context.insertSale();
    expect((await changingNothing(context, sale, () => buyWith(context, sale, {}, { token: 'any' }))).outcome).toBe(
      'not_ready',
    );
  });
});

describe('a batch', () => {
  test('whose number exists accepts nothing else: a call with the same number and other items is unavailable', async () => {
    const sale = await context.openSale();
    const attempt = await newAttempt(context, sale, ['u1', 'u2']);
    await send(context, attempt);
    const others = await newAttempt(context, sale, ['u3', 'u4'], { batchNo: attempt.call.batchNo });
    const both = { ...others, items: [...others.items, attempt.items[0]!] };
    expect(outcomes(await changingNothing(context, sale, () => send(context, both)))).toEqual([
      'unavailable',
      'unavailable',
      'accepted',
    ]);
    const lease = await takeLease(context, sale);
    await settle(
      context,
      sale,
      lease,
      await ordersOf(
        context,
        sale,
        attempt.items.map(({ orderNo }) => orderNo),
      ),
    );
    expect(outcomes(await changingNothing(context, sale, () => send(context, both)))).toEqual([
      'unavailable',
      'unavailable',
      'accepted',
    ]);
  });

  test('that was refused in part is sent again after units came back: it takes none of them', async () => {
    const sale = await context.openSale({ seckillStock: 2 });
    const attempt = await newAttempt(context, sale, shoppers(4));
    expect(outcomes(await send(context, attempt))).toEqual(['accepted', 'accepted', 'sold_out', 'sold_out']);
    expect(await context.commands.giveBack(sale, await takeLease(context, sale), attempt.items.slice(0, 1))).toBe(1);
    expect(outcomes(await changingNothing(context, sale, () => send(context, attempt)))).toEqual([
      'accepted',
      'accepted',
      'unavailable',
      'unavailable',
    ]);
    const { batches } = context.keys.sale(sale);
    const record = await context.redis.hget(batches, attempt.call.batchNo);
    expect(record!.split('\n').slice(1)).toEqual(
      attempt.items.slice(0, 2).map(({ orderNo, userId }) => `${orderNo} ${userId} request-1`),
    );
  });

  test('that was refused as a whole leaves nothing, and is decided anew when it is sent again', async () => {
    const sale = await context.openSale({ seckillStock: 1 });
    const [owner] = await buy(context, sale, ['owner']);
    const attempt = await newAttempt(context, sale, ['u1']);
    expect(outcomes(await changingNothing(context, sale, () => send(context, attempt)))).toEqual(['sold_out']);
    await context.commands.giveBack(sale, await takeLease(context, sale), [owner!]);
    expect(outcomes(await send(context, attempt))).toEqual(['accepted']);
  });

  test('of 500 shoppers, the most the configuration allows, is decided in one call', async () => {
    const sale = await context.openSale({ seckillStock: 400 });
    const admissions = outcomes(await send(context, await newAttempt(context, sale, shoppers(500))));
    expect(admissions.filter((outcome) => outcome === 'accepted')).toHaveLength(400);
    expect(admissions.slice(400)).toEqual(Array(100).fill('sold_out'));
  });

  test('with every kind of answer leaves the refused items without effect', async () => {
    const sale = await context.openSale({ seckillStock: 3 });
    const [owner] = await buy(context, sale, ['owner']);
    const items = [
      await newItem(context, sale, 'owner', { token: 'any' }),
      await newItem(context, sale, 'liar', { token: 'nobody issued this' }),
      await newItem(context, sale, 'u1'),
      await newItem(context, sale, 'u2'),
      await newItem(context, sale, 'u3'),
    ];
    const tokens = new Map<string, unknown>();
    for (const user of ['owner', 'liar', 'u3']) tokens.set(user, await liveTokenOf(context, sale, user));
    expect(await context.commands.admit(sale, await newCall(context, sale), items)).toEqual([
      { outcome: 'replayed', orderNo: owner!.orderNo, quantity: 1 },
      { outcome: 'token_invalid' },
      { outcome: 'accepted' },
      { outcome: 'accepted' },
      { outcome: 'sold_out', available: 0 },
    ]);
    for (const user of ['owner', 'liar', 'u3']) {
      expect(await liveTokenOf(context, sale, user)).toEqual(tokens.get(user));
    }
    expect(Object.keys((await unitsOf(context, sale)).owners).toSorted()).toEqual(['owner', 'u1', 'u2']);
  });
});
