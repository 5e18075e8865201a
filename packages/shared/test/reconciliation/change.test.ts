import { describe, expect, test } from 'vitest';
import { markCleaned } from '../../src/sale/clean-up-table.ts';
import { findSale } from '../../src/sale/products-table.ts';
import { Refusal } from '../../src/platform/errors.ts';
import type { Sale } from '../../src/sale/sale.ts';
import { endSale, topUpSale } from '../../src/reconciliation/change.ts';
import { loadSale, rebuildSale } from '../../src/reconciliation/rebuild.ts';
import { buy, newAttempt, send, shoppers, snapshot, takeLease, unitsOf } from '../../testing/buying.ts';
import { testContext, type TestContext } from '../../testing/support.ts';

const WAIT_MS = 5_000;
const OPTIONS = { waitMs: WAIT_MS };

const context = await testContext();

const topUp = (sale: Sale, seckillStock: number, stock?: number) =>
  topUpSale(context, sale, { seckillStock, stock }, OPTIONS);
const end = (sale: Sale) => endSale(context, sale, OPTIONS);
const inLedger = async (sale: Sale): Promise<Sale> => (await findSale(context.db, sale.id))!;

async function outcomesOf(sale: Sale, users: readonly string[]): Promise<string[]> {
  return (await send(context, await newAttempt(context, sale, users))).map(({ outcome }) => outcome);
}

/** The start and the end that Redis goes by. */
async function endInRedis(sale: Sale): Promise<number> {
  return Number(await context.redis.hget(context.keys.sale(sale).state, 'end_ms'));
}

/** Admission times of all reservations, in order. */
async function admittedAt(sale: Sale): Promise<number[]> {
  return (await context.commands.allReservations(sale)).map(({ admittedMs }) => admittedMs).toSorted((a, b) => a - b);
}

/**
 * Compares a sale in Redis with its row repeatedly, until stopped: if the row did not change around
 * an atomic read of a ready sale, both are equal (promise 2).
 */
function watchFacts(sale: Sale) {
  const stopping = new AbortController();
  const seen = { compared: 0, violations: [] as string[] };
  const watching = (async () => {
    while (!stopping.signal.aborted) {
      const before = await inLedger(sale);
      const { state, owners } = context.keys.sale(sale);
      const replies = await context.redis.multi().hgetall(state).hlen(owners).exec();
      const [redis, held] = replies!.map(([, reply]) => reply) as [Record<string, string>, number];
      const after = await inLedger(sale);
      if (before.version !== after.version || redis['ready'] !== '1') continue;
      seen.compared += 1;
      const said = [Number(redis['available']) + held, Number(redis['total']), Number(redis['end_ms'])];
      const wanted = [after.seckillStock, after.seckillStock, after.endMs];
      if (said.some((value, i) => value !== wanted[i])) seen.violations.push(`${said.join(' ')} ≠ ${wanted.join(' ')}`);
    }
  })();
  return async () => {
    stopping.abort();
    await watching;
    return seen;
  };
}

describe('a top-up', () => {
  test('adds the units in the ledger and in Redis; a sold-out sale sells again', async () => {
    const sale = await context.openSale({ seckillStock: 3, stock: 100 });
    await buy(context, sale, shoppers(3));
    expect(await outcomesOf(sale, ['late'])).toEqual(['sold_out']);

    expect(await topUp(sale, 5)).toEqual({ ...sale, seckillStock: 5, version: 2 });

    expect(await inLedger(sale)).toMatchObject({ seckillStock: 5, stock: 100, version: 2 });
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: true, version: 2, available: 2, held: 3 });
    expect(await outcomesOf(sale, ['u4', 'u5', 'u6'])).toEqual(['accepted', 'accepted', 'sold_out']);
    expect(await unitsOf(context, sale)).toMatchObject({ available: 0, total: 5 });
  });

  test('while shoppers buy keeps every unit: Redis and the ledger agree whenever the sale is ready (promise 2)', async () => {
    const sale = await context.openSale({ seckillStock: 20 });
    const stopWatch = watchFacts(sale);
    const accepted: string[] = [];
    let toppedUp = false;
    const crowd = Array.from({ length: 20 }, async (_, shopper) => {
      for (let n = 0; n < 10; n += 1) {
        const user = `s${shopper}-${n}`;
        for (;;) {
          const last = toppedUp;
          const [outcome] = await outcomesOf(sale, [user]);
          if (outcome === 'accepted') accepted.push(user);
          if (outcome === 'accepted' || (outcome === 'sold_out' && last)) break;
        }
      }
    });
    for (let units = 30; units <= 120; units += 10) await topUp(sale, units);
    toppedUp = true;
    await Promise.all(crowd);
    const { compared, violations } = await stopWatch();
    expect(violations).toEqual([]);
    expect(compared).toBeGreaterThan(0);
    expect(accepted).toHaveLength(120);
    const { available, total, owners } = await unitsOf(context, sale);
    expect([available, total, Object.keys(owners).length]).toEqual([0, 120, 120]);
  });

  test('that is repeated changes nothing and does not stop the sale', async () => {
    const sale = await context.openSale({ seckillStock: 5 });
    await topUp(sale, 8);
    const before = await snapshot(context, sale);
    expect(await topUp(sale, 8)).toMatchObject({ seckillStock: 8, version: 2 });
    const { [context.keys.sale(sale).fence]: _fence, ...after } = await snapshot(context, sale);
    expect(before).toMatchObject(after);
    expect(await inLedger(sale)).toMatchObject({ version: 2 });
  });

  test('raises the stock if a higher one is given, and never sells more than the stock otherwise', async () => {
    const sale = await context.openSale({ seckillStock: 5, stock: 6 });
    await expect(topUp(sale, 7)).rejects.toThrow('at most stock, which is 6');
    expect(await topUp(sale, 7, 10)).toMatchObject({ seckillStock: 7, stock: 10 });
    expect(await topUp(sale, 8, 1)).toMatchObject({ seckillStock: 8, stock: 10 });
  });

  test.each<[string, (sale: Sale) => Promise<unknown>, string]>([
    ['fewer units', (sale) => topUp(sale, 9), 'invalid_request'],
    ['a sale that is over', (sale) => end(sale).then(() => topUp(sale, 11)), 'ended'],
  ])('refuses %s, and the sale stands', async (_, ask, code) => {
    const sale = await context.openSale({ seckillStock: 10 });
    const refusal = await ask(sale).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(Refusal);
    expect(refusal).toMatchObject({ code });
    expect(await unitsOf(context, sale)).toEqual({ available: 10, total: 10, owners: {} });
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: true });
  });

  test('of a sale that this Redis has not loaded rebuilds it with the new facts', async () => {
    const sale = await context.openSale({ seckillStock: 5 });
    await buy(context, sale, shoppers(2));
    await context.redis.hset(context.keys.sale(sale).state, 'history_id', 'another');
    await topUp(sale, 6);
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: true, version: 2, available: 4, held: 2 });
  });

  test('waits for the holder of the lease, and does nothing if that takes too long', async () => {
    const sale = await context.openSale({ seckillStock: 5 });
    await takeLease(context, sale);
    expect(await topUpSale(context, sale, { seckillStock: 6 }, { waitMs: 50 })).toBeUndefined();
    expect(await inLedger(sale)).toMatchObject({ seckillStock: 5, version: 1 });
    expect(await outcomesOf(sale, ['u1'])).toEqual(['accepted']);
  });
});

describe('a change whose process dies', () => {
  const die = () => Promise.reject(new Error('died'));

  test.each<[string, Partial<TestContext['commands']>, number]>([
    ['before it stops the sale', { beginChange: die }, 5],
    [
      'after it has stopped the sale',
      {
        async beginChange(...args) {
          await context.commands.beginChange(...args);
          return die();
        },
      },
      5,
    ],
    ['after the commit', { finishChange: die }, 8],
  ])('%s leaves a sale that warm-up opens as the ledger has it', async (_, broken, units) => {
    const sale = await context.openSale({ seckillStock: 5 });
    await buy(context, sale, shoppers(4));
    const commands = { ...context.commands, ...broken };
    await expect(topUpSale({ ...context, commands }, sale, { seckillStock: 8 }, OPTIONS)).rejects.toThrow('died');
    expect(await inLedger(sale)).toMatchObject({ seckillStock: units });

    await loadSale(context, await inLedger(sale), WAIT_MS);

    const { available, total, owners } = await unitsOf(context, sale);
    expect([available, total, Object.keys(owners).length]).toEqual([units - 4, units, 4]);
    expect(await topUp(sale, 8)).toMatchObject({ seckillStock: 8 });
    expect(await unitsOf(context, sale)).toMatchObject({ available: 4, total: 8 });
  });

  test('is safe if its last call is sent again after a lost reply: the units are added once', async () => {
    const sale = await context.openSale({ seckillStock: 5 });
    const commands: TestContext['commands'] = {
      ...context.commands,
      async finishChange(...args) {
        await context.commands.finishChange(...args);
        await buy(context, sale, ['between']);
        return context.commands.finishChange(...args);
      },
      // The second run finds the result of the first, so that nothing is rebuilt while shoppers
      // buy.
      beginRebuild: die,
    };
    await topUpSale({ ...context, commands }, sale, { seckillStock: 8 }, OPTIONS);
    expect(await unitsOf(context, sale)).toMatchObject({ available: 7, total: 8 });
  });

  test('or that lost its lease during the commit leaves the opening to the new holder', async () => {
    const sale = await context.openSale({ seckillStock: 5 });
    const commands: TestContext['commands'] = {
      ...context.commands,
      async finishChange(before, after, lease, historyId) {
        await context.redis.del(context.keys.sale(sale).lease);
        await rebuildSale(context, sale, WAIT_MS);
        await buy(context, sale, ['u1']);
        return context.commands.finishChange(before, after, lease, historyId);
      },
    };
    await expect(topUpSale({ ...context, commands }, sale, { seckillStock: 8 }, OPTIONS)).rejects.toThrow('lost');
    expect(await unitsOf(context, sale)).toMatchObject({ available: 7, total: 8 });
  });
});

describe('an early end', () => {
  test('is one instant by Redis’s clock, in the ledger and in Redis: nothing is admitted at it or after it (promise 10)', async () => {
    const sale = await context.openSale({ seckillStock: 100_000 });
    const ending = new AbortController();
    const crowd = Array.from({ length: 10 }, async (_, shopper) => {
      for (let n = 0; !ending.signal.aborted; n += 1) {
        const attempt = await newAttempt(context, sale, [`s${shopper}-${n}`]);
        const [admission] = await send(context, attempt);
        if (admission!.outcome === 'ended') return;
      }
    });
    await expect.poll(async () => (await context.commands.readSale(sale)).held).toBeGreaterThan(50);
    const ended = await end(sale);
    await Promise.all(crowd).finally(() => ending.abort());

    const { endMs } = await inLedger(sale);
    expect(ended!.endMs).toBe(endMs);
    expect(await endInRedis(sale)).toBe(endMs);
    expect((await admittedAt(sale)).at(-1)).toBeLessThan(endMs);
    expect(await outcomesOf(sale, ['late'])).toEqual(['ended']);
    expect(await context.commands.readSale(sale)).toMatchObject({ ready: true, version: 2 });
  });

  test('is final: a repeat changes nothing', async () => {
    const sale = await context.openSale();
    const first = await end(sale);
    expect(await end(sale)).toEqual(first);
  });

  test('of a sale that has not started is final too: its start does not open it', async () => {
    const sale = await context.openSale({ startMs: Date.now() + 3_600_000, endMs: Date.now() + 7_200_000 });
    await end(sale);
    expect(await outcomesOf(sale, ['early'])).toEqual(['ended']);
  });

  test('of a sale that Redis does not keep any more changes nothing', async () => {
    const sale = await context.insertSale({ endMs: Date.now() - 1_000 });
    await markCleaned(context.db, sale.id, 0);
    expect(await end(sale)).toMatchObject({ cleaned: true, endMs: sale.endMs, version: 1 });
    expect(await context.redis.exists(context.keys.sale(sale).state)).toBe(0);
  });
});
