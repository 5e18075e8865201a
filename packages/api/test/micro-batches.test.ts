import { describe, expect, test } from 'vitest';
import { CallLate } from '@flash-sale/shared/platform/redis/errors.ts';
import { createLogger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import { MicroBatches } from '../src/micro-batches.ts';

interface Result {
  readonly outcome: 'done';
  readonly name: string;
}

const saleOf = (id: number) => ({ id, shard: 0 });
const log = createLogger({ LOG_LEVEL: 'silent' }, 'api');

/**
 * Batches whose calls are answered by the test. Calls of the same round trip have the same `trip`.
 */
function heldBatches(waitingMax?: number) {
  const calls: { trip: number; saleId: number; names: string[]; answer: () => void; fail: (error: Error) => void }[] =
    [];
  let trips = 0;
  const batches = new MicroBatches<{ name: string }, Result>({
    name: 'test',
    call: (sales) => {
      trips += 1;
      return sales.map(({ sale, items }) => {
        const { promise, resolve, reject } = Promise.withResolvers<Result[]>();
        const names = items.map(({ name }) => name);
        const answer = () => resolve(names.map((name) => ({ outcome: 'done', name })));
        calls.push({ trip: trips, saleId: sale.id, names, answer, fail: reject });
        return promise;
      });
    },
    waitingMax,
    log,
  });
  const add = (name: string, saleId = 1) => batches.add(saleOf(saleId), { name });
  return { batches, calls, add };
}

const done = (name: string): Result => ({ outcome: 'done', name });
const named = (count: number): string[] => Array.from({ length: count }, (_, i) => `item-${i}`);

describe('micro-batches', () => {
  test('send the first item alone, and those that come meanwhile together in one call', async () => {
    const { batches, calls, add } = heldBatches();
    const first = add('first');
    const others = ['a', 'b', 'c'].map((name) => add(name));
    expect(calls.map(({ names }) => names)).toEqual([['first']]);
    expect([batches.calls, batches.waiting]).toEqual([1, 3]);
    calls[0]!.answer();
    expect(await first).toEqual(done('first'));
    await expect.poll(() => calls.length).toBe(2);
    expect(calls[1]!.names).toEqual(['a', 'b', 'c']);
    calls[1]!.answer();
    expect(await Promise.all(others)).toEqual(['a', 'b', 'c'].map(done));
    await expect.poll(() => batches.calls).toBe(0);
  });

  test('have at most a hundred items, and keep their order', async () => {
    const { calls, add } = heldBatches();
    const names = named(250);
    const results = Promise.all(names.map((name) => add(name)));
    for (let i = 0; i < 4; i += 1) {
      await expect.poll(() => calls.length).toBe(i + 1);
      calls[i]!.answer();
    }
    expect(calls.map((call) => call.names.length)).toEqual([1, 100, 100, 49]);
    expect(calls.flatMap((call) => call.names)).toEqual(names);
    expect(await results).toEqual(names.map(done));
  });

  test('of different sales go together in one round trip, and each has its own call', async () => {
    const { batches, calls, add } = heldBatches();
    void add('first', 1);
    const others = [add('a', 1), add('b', 2), add('c', 1), add('d', 3)];
    calls[0]!.answer();
    await expect.poll(() => calls.length).toBe(4);
    expect(calls.slice(1).map(({ trip, saleId, names }) => [trip, saleId, names])).toEqual([
      [2, 1, ['a', 'c']],
      [2, 2, ['b']],
      [2, 3, ['d']],
    ]);
    const next = add('next', 2);
    // The round trip ends with its last call.
    calls[1]!.answer();
    calls[2]!.answer();
    expect(await Promise.all([others[0], others[1], others[2]])).toEqual(['a', 'b', 'c'].map(done));
    expect([calls.length, batches.calls, batches.waiting]).toEqual([4, 1, 1]);
    calls[3]!.answer();
    expect(await others[3]).toEqual(done('d'));
    await expect.poll(() => calls.length).toBe(5);
    calls[4]!.answer();
    expect(await next).toEqual(done('next'));
  });

  test('of different shards do not wait for each other', () => {
    const { batches, calls } = heldBatches();
    for (const shard of [0, 1]) void batches.add({ id: shard + 1, shard }, { name: `of-${shard}` });
    expect(calls.map(({ names }) => names)).toEqual([['of-0'], ['of-1']]);
  });

  test('have at most a hundred items of all sales together', async () => {
    const { calls, add } = heldBatches();
    void add('first');
    const results = Promise.all(named(150).map((name, i) => add(name, 2 + (i % 60))));
    calls[0]!.answer();
    await expect.poll(() => calls.length).toBe(61);
    expect(calls.slice(1).flatMap(({ names }) => names)).toHaveLength(100);
    for (const call of calls.slice(1)) call.answer();
    await expect.poll(() => calls.length).toBe(111);
    for (const call of calls.slice(61)) call.answer();
    expect(await results).toEqual(named(150).map(done));
  });

  test('fail only the items of the sale whose call has a fault', async () => {
    const { calls, add } = heldBatches();
    const first = add('first');
    calls[0]!.answer();
    await first;
    await expect.poll(() => calls.length).toBe(1);
    void add('alone');
    const both = [add('a', 1), add('b', 2)];
    calls[1]!.answer();
    await expect.poll(() => calls.length).toBe(4);
    calls[2]!.fail(new TypeError('a fault'));
    calls[3]!.answer();
    expect(await Promise.all(both)).toEqual([{ outcome: 'unavailable' }, done('b')]);
  });

  test('shed an item if too many wait, and only then', async () => {
    const { calls, add } = heldBatches(2);
    const [first, ...waiting] = ['first', 'a', 'b'].map((name) => add(name));
    expect(await add('c')).toEqual({ outcome: 'overloaded' });
    calls[0]!.answer();
    expect(await first).toEqual(done('first'));
    await expect.poll(() => calls.length).toBe(2);
    const next = add('d');
    calls[1]!.answer();
    expect(await Promise.all(waiting)).toEqual([done('a'), done('b')]);
    await expect.poll(() => calls.length).toBe(3);
    calls[2]!.answer();
    expect(await next).toEqual(done('d'));
  });

  test('answer all waiting items if Redis does not answer: another call would make them wait as long again', async () => {
    const { batches, calls, add } = heldBatches();
    const unanswered = ['first', 'a', 'b'].map((name) => add(name));
    calls[0]!.fail(new CallLate());
    expect(await Promise.all(unanswered)).toEqual(unanswered.map(() => ({ outcome: 'unavailable' })));
    expect(calls).toHaveLength(1);
    await expect.poll(() => [batches.calls, batches.waiting]).toEqual([0, 0]);
    const next = add('next');
    calls[1]!.answer();
    expect(await next).toEqual(done('next'));
  });

  test.each([
    ['refuses', Object.assign(new Error('OOM command not allowed'), { name: 'ReplyError' }), 'overloaded'],
    ['fails by a fault of ours in', new TypeError('a fault'), 'unavailable'],
  ])('go on behind a call that Redis %s', async (_, error, outcome) => {
    const { calls, add } = heldBatches();
    const [first, second] = [add('first'), add('second')];
    calls[0]!.fail(error);
    expect(await first).toEqual({ outcome });
    await expect.poll(() => calls.length).toBe(2);
    calls[1]!.answer();
    expect(await second).toEqual(done('second'));
  });

  test('go on behind a call that throws at once', async () => {
    let isBroken = true;
    const batches = new MicroBatches<string, Result>({
      name: 'test',
      call: (sales) => {
        if (isBroken) throw new TypeError('a fault');
        return sales.map(({ items }) => Promise.resolve(items.map(done)));
      },
      log,
    });
    expect(await batches.add({ id: 1, shard: 0 }, 'first')).toEqual({ outcome: 'unavailable' });
    isBroken = false;
    expect(await batches.add({ id: 1, shard: 0 }, 'second')).toEqual(done('second'));
    await expect.poll(() => batches.calls).toBe(0);
  });
});
