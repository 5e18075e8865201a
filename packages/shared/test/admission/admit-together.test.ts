import { describe, expect, test } from 'vitest';
import type { AdmitBatch, Admission } from '../../src/admission/admission-commands.ts';
import type { Sale } from '../../src/sale/sale.ts';
import { newAttempt, newCall, NO_LIMITS, send, shoppers, snapshot, unitsOf } from '../../testing/buying.ts';
import { testContext } from '../../testing/support.ts';

const context = await testContext();

const outcomes = (admissions: readonly Admission[][]) => admissions.map((own) => own.map(({ outcome }) => outcome));

/** A batch of each sale, for these shoppers. */
async function batchesFor(sales: readonly Sale[], users: readonly string[]): Promise<AdmitBatch[]> {
  const attempts = await Promise.all(sales.map((sale) => newAttempt(context, sale, users)));
  return attempts.map(({ call: { batchNo }, items }, i) => ({ sale: sales[i]!, batchNo, items }));
}

describe('one call for batches of several sales', () => {
  test('decides each as a call of its own would, in the order of its items', async () => {
    const sales = [
      await context.openSale({ seckillStock: 1 }),
      await context.openSale({ seckillStock: 5 }),
      await context.openSale(),
      await context.openSale({ seckillStock: 5 }),
    ];
    await context.redis.hset(context.keys.sale(sales[2]!).state, { ready: '0' });
    const [owner] = (await newAttempt(context, sales[3]!, ['u1'])).items;
    await context.commands.admit(sales[3]!, await newCall(context, sales[3]!), [owner!]);
    const batches = await batchesFor(sales, ['u1', 'u2']);
    const terms = await newCall(context, sales[0]!);
    const answers = await context.commands.admitTogether(0, terms, batches);
    expect(outcomes(answers)).toEqual([
      ['accepted', 'sold_out'],
      ['accepted', 'accepted'],
      ['not_ready', 'not_ready'],
      ['replayed', 'accepted'],
    ]);
    expect(answers[3]![0]).toEqual({ outcome: 'replayed', orderNo: owner!.orderNo, quantity: 1 });
    expect((await unitsOf(context, sales[0]!)).owners).toEqual({ u1: batches[0]!.items[0]!.orderNo });
    expect(await unitsOf(context, sales[1]!)).toMatchObject({ available: 3 });
    expect(await unitsOf(context, sales[3]!)).toMatchObject({ available: 3 });
    const numbers = batches.map(({ sale, batchNo }) => context.redis.hexists(context.keys.sale(sale).batches, batchNo));
    expect(await Promise.all(numbers)).toEqual([1, 1, 0, 1]);
    const waiting = (await context.commands.outbox(0)).map(({ saleId }) => saleId);
    expect(waiting).toEqual(expect.arrayContaining([sales[0]!.id, sales[1]!.id, sales[3]!.id]));
    expect(waiting).not.toContain(sales[2]!.id);
  });

  test('sent again, accepts what it accepted, and nothing else; also if a batch is sent again alone', async () => {
    const sales = [await context.openSale({ seckillStock: 1 }), await context.openSale({ seckillStock: 3 })];
    const batches = await batchesFor(sales, ['u1', 'u2']);
    const terms = await newCall(context, sales[0]!);
    await context.commands.admitTogether(0, terms, batches);
    const before = await Promise.all(sales.map((sale) => snapshot(context, sale)));
    const expected = [
      ['accepted', 'unavailable'],
      ['accepted', 'accepted'],
    ];
    expect(outcomes(await context.commands.admitTogether(0, terms, batches))).toEqual(expected);
    const alone = batches.map(({ sale, batchNo, items }) => context.commands.admit(sale, { ...terms, batchNo }, items));
    expect(outcomes(await Promise.all(alone))).toEqual(expected);
    expect(await Promise.all(sales.map((sale) => snapshot(context, sale)))).toEqual(before);
    // Beside a batch that is new.
    const [fresh] = await batchesFor([await context.openSale()], ['u1']);
    expect(outcomes(await context.commands.admitTogether(0, terms, [batches[0]!, fresh!]))).toEqual([
      expected[0],
      ['accepted'],
    ]);
  });

  test('that is late, or comes in another history of Redis, changes nothing', async () => {
    const sales = [await context.openSale(), await context.openSale()];
    const batches = await batchesFor(sales, ['u1']);
    const terms = await newCall(context, sales[0]!);
    const before = await Promise.all(sales.map((sale) => snapshot(context, sale)));
    for (const late of [{ deadlineMs: 0 }, { historyId: 'f'.repeat(40) }]) {
      const answers = await context.commands.admitTogether(0, { ...terms, ...late }, batches);
      expect(outcomes(answers)).toEqual([['unavailable'], ['unavailable']]);
    }
    expect(await Promise.all(sales.map((sale) => snapshot(context, sale)))).toEqual(before);
  });

  test('draws from one shopper’s bucket, from the global one and from the bound of the shard for all of them', async () => {
    const shard = 21;
    const sales = [
      await context.openSale({ shard }),
      await context.openSale({ shard }),
      await context.openSale({ shard }),
    ];
    const call = await newCall(context, sales[0]!);
    const limits = (changed: object) => ({ ...call, limits: { ...NO_LIMITS, ...changed } });
    const decide = async (terms: typeof call, users: readonly string[]) =>
      outcomes(await context.commands.admitTogether(shard, terms, await batchesFor(sales, users))).flat();
    const slow = 0.001;
    expect(await decide(limits({ userCapacity: 2, userPerSecond: slow }), ['one'])).toEqual([
      'accepted',
      'accepted',
      'rate_limited',
    ]);
    expect(await decide(limits({ globalCapacity: 4, globalPerSecond: slow }), shoppers(2))).toEqual([
      ...Array<string>(4).fill('accepted'),
      ...Array<string>(2).fill('rate_limited'),
    ]);
    await context.redis.del(context.keys.globalBucket(shard));
    const waiting = Number(await context.redis.get(context.keys.backlog(shard)));
    expect(await decide({ ...call, shardBacklogMax: waiting + 2 }, ['a', 'b'])).toEqual([
      ...Array<string>(2).fill('accepted'),
      ...Array<string>(4).fill('overloaded'),
    ]);
    expect(Number(await context.redis.get(context.keys.backlog(shard)))).toBe(waiting + 2);
  });

  test('that fails at the fault of one sale leaves the orders of those before it listed and counted', async () => {
    const shard = 22;
    const [well, faulty] = [await context.openSale({ shard }), await context.openSale({ shard })];
    await context.redis.set(context.keys.sale(faulty).batchTimes, 'no sorted set');
    const batches = await batchesFor([well, faulty], ['u1', 'u2']);
    const terms = await newCall(context, well);
    await expect(context.commands.admitTogether(shard, terms, batches)).rejects.toThrow('WRONGTYPE');
    const { batchNo, items } = batches[0]!;
    expect(outcomes([await context.commands.admit(well, { ...terms, batchNo }, items)])).toEqual([
      ['accepted', 'accepted'],
    ]);
    expect((await context.commands.outbox(shard)).map(({ saleId }) => saleId)).toEqual([well.id]);
    expect(await context.redis.get(context.keys.backlog(shard))).toBe('2');
  });

  test('may be a hundred sales', async () => {
    const sales = await Promise.all(Array.from({ length: 100 }, () => context.openSale({ seckillStock: 2 })));
    const batches = await batchesFor(sales, ['everywhere']);
    const terms = await newCall(context, sales[0]!);
    const answers = await context.commands.admitTogether(0, terms, batches);
    expect(outcomes(answers).flat()).toEqual(Array(100).fill('accepted'));
    for (const [i, sale] of sales.entries()) {
      const { available, owners } = await unitsOf(context, sale);
      expect([available, owners]).toEqual([1, { everywhere: batches[i]!.items[0]!.orderNo }]);
    }
  });

  test('is refused if two batches are of one sale: the second would not see the units that the first takes', async () => {
    const sale = await context.openSale({ seckillStock: 1 });
    const [a, b] = [await newAttempt(context, sale, ['u1']), await newAttempt(context, sale, ['u2'])];
    const batches = [a, b].map(({ call: { batchNo }, items }) => ({ sale, batchNo, items }));
    await expect(context.commands.admitTogether(0, a.call, batches)).rejects.toThrow('two batches of one sale');
    expect(await unitsOf(context, sale)).toMatchObject({ available: 1, owners: {} });
    expect(await send(context, a)).toEqual([{ outcome: 'accepted' }]);
  });
});
