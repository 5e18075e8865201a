import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { readStamp, stampFence } from '../../src/sale/stamps-table.ts';
import type { Sale } from '../../src/sale/sale.ts';
import { acquireLease, Lease, LEASE_LIFE_MS, LeaseLost, withStampedLease } from '../../src/sale/lease.ts';
import { testContext } from '../../testing/support.ts';

const context = await testContext();

const leaseKey = (sale: Sale): string => context.keys.sale(sale).lease;

async function take(sale: Sale, waitMs = 1_000): Promise<Lease> {
  const lease = await acquireLease(context.commands, sale, waitMs);
  if (lease === undefined) throw new Error('the lease is held elsewhere');
  return lease;
}

describe('a lease', () => {
  test('belongs to another process until it is released: a request returns undefined after the wait, and not before', async () => {
    const sale = await context.insertSale();
    const held = await take(sale);
    const askedMs = performance.now();
    expect(await acquireLease(context.commands, sale, 60)).toBeUndefined();
    const waitedMs = performance.now() - askedMs;
    // It gives up if the next attempt, after at most 25 ms, would be too late.
    expect(waitedMs).toBeGreaterThanOrEqual(60 - 25);
    expect(waitedMs).toBeLessThan(LEASE_LIFE_MS);
    // Asked without patience it answers at once.
    expect(await acquireLease(context.commands, sale, 0)).toBeUndefined();
    await held.release();
    const next = await take(sale);
    expect(next.fencingToken).toBe(held.fencingToken + 1);
    await next.release();
  });

  test('goes to a waiting process as soon as it is released', async () => {
    const sale = await context.insertSale();
    const held = await take(sale);
    const waiting = take(sale, 2_000);
    await expect.poll(() => context.redis.exists(context.keys.sale(sale).leaseWaiting)).toBe(1);
    await held.release();
    const next = await waiting;
    expect(await context.redis.get(leaseKey(sale))).toBe(next.text);
    await next.release();
  });

  test('has its full life again after a renewal, which occurs after a third of it', async () => {
    const sale = await context.insertSale();
    const lease = await take(sale);
    // As if a part of its life had passed: without a renewal it would be gone within the poll.
    await context.redis.pexpire(leaseKey(sale), (LEASE_LIFE_MS * 2) / 3);
    await expect
      .poll(() => context.redis.pttl(leaseKey(sale)), { timeout: LEASE_LIFE_MS })
      .toBeGreaterThan((LEASE_LIFE_MS * 2) / 3);
    expect(() => lease.check()).not.toThrow();
    expect(lease.lost.aborted).toBe(false);
    await lease.release();
  });

  test('that another process took is known to be lost at the next renewal', async () => {
    const sale = await context.insertSale();
    const lease = await take(sale);
    const lost = once(lease.lost, 'abort', { signal: AbortSignal.timeout(LEASE_LIFE_MS) });
    await context.redis.set(leaseKey(sale), '99 somebody else', 'PX', 60_000);
    await lost;
    expect(() => lease.check()).toThrow(LeaseLost);
    expect(await context.redis.get(leaseKey(sale))).toBe('99 somebody else');
    // The end of a lost lease leaves the standing one alone.
    await lease.release();
    expect(await context.redis.get(leaseKey(sale))).toBe('99 somebody else');
  });

  test('whose holder was frozen for its life is lost without a call to Redis', async () => {
    const sale = await context.insertSale();
    const granted = { fencingToken: 1, historyId: 'a' };
    const asleep = new Lease(context.commands, sale, granted, 'sleeper', performance.now() - LEASE_LIFE_MS - 1);
    expect(() => asleep.check()).toThrow(LeaseLost);
    expect(asleep.lost.aborted).toBe(true);
    const awake = new Lease(context.commands, sale, granted, 'awake', performance.now());
    expect(() => awake.check()).not.toThrow();
    await Promise.all([asleep.release(), awake.release()]);
  });

  test('that was released cannot be used by mistake', async () => {
    const lease = await take(await context.insertSale());
    await lease.release();
    expect(() => lease.check()).toThrow(LeaseLost);
  });
});

describe('a stamped lease', () => {
  const run = <Result>(sale: Sale, work: (lease: Lease) => Promise<Result>, waitMs = 1_000) =>
    withStampedLease(context, sale, waitMs, work);

  test('is in the ledger before the work begins, and is released after it', async () => {
    const sale = await context.insertSale();
    const seen = await run(sale, async (lease) => {
      expect(await context.redis.get(leaseKey(sale))).toBe(lease.text);
      return [lease.fencingToken, (await readStamp(context.db, sale.id))!.fence];
    });
    expect(seen).toEqual([1, 1]);
    expect(await context.redis.exists(leaseKey(sale))).toBe(0);
  });

  test.each([1, 41, 1_000_000_000_000])(
    'is taken anew above the ledger’s fencing token %i where Redis has lost its counter',
    async (ledgerFence) => {
      const sale = await context.insertSale();
      await stampFence(context.db, sale.id, ledgerFence);
      expect(await run(sale, (lease) => Promise.resolve(lease.fencingToken))).toBe(ledgerFence + 1);
      expect((await readStamp(context.db, sale.id))!.fence).toBe(ledgerFence + 1);
      expect(await run(sale, (lease) => Promise.resolve(lease.fencingToken))).toBe(ledgerFence + 2);
    },
  );

  test('is not taken while another process holds it, and the work does not run', async () => {
    const sale = await context.insertSale();
    const held = await take(sale);
    const work = () => Promise.reject(new Error('the work ran'));
    expect(await run(sale, work, 50)).toBeUndefined();
    expect((await readStamp(context.db, sale.id))!.fence).toBe(0);
    await held.release();
  });

  test('is released if the work fails, and the error is thrown', async () => {
    const sale = await context.insertSale();
    await expect(run(sale, () => Promise.reject(new Error('boom')))).rejects.toThrow('boom');
    expect(await context.redis.exists(leaseKey(sale))).toBe(0);
  });

  test('of a sale that the ledger does not have is refused', async () => {
    const sale = { ...(await context.insertSale()), id: 999_999 };
    const work = () => Promise.reject(new Error('the work ran'));
    await expect(run(sale, work)).rejects.toThrow(LeaseLost);
    expect(await context.redis.exists(leaseKey(sale))).toBe(0);
  });

  test('lets many processes that ask at once work one after another, each with a higher token', async () => {
    const sale = await context.insertSale();
    let working = 0;
    const tokens: number[] = [];
    const work = async (lease: Lease) => {
      working += 1;
      expect(working).toBe(1);
      expect((await readStamp(context.db, sale.id))!.fence).toBe(lease.fencingToken);
      working -= 1;
      tokens.push(lease.fencingToken);
      return 'done';
    };
    const done = await Promise.all(Array.from({ length: 8 }, () => run(sale, work, 10_000)));
    expect(done).toEqual(Array(8).fill('done'));
    expect(tokens).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });
});

describe('the stamp', () => {
  test('is strict: it must be higher than the last, so that no two holders have the same', async () => {
    const sale = await context.insertSale();
    expect(await stampFence(context.db, sale.id, 5)).toBe(true);
    for (const behind of [5, 4, 0]) expect(await stampFence(context.db, sale.id, behind)).toBe(false);
    expect((await readStamp(context.db, sale.id))!.fence).toBe(5);
    expect(await stampFence(context.db, sale.id, 6)).toBe(true);
  });

  test('is won by one of many who race with the same fencing token', async () => {
    const sale = await context.insertSale();
    const stamped = await Promise.all(Array.from({ length: 10 }, () => stampFence(context.db, sale.id, 1)));
    expect(stamped.filter(Boolean)).toHaveLength(1);
  });
});
