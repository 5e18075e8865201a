import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { SaleRef } from '../../src/sale/sale.ts';
import { takeLease } from '../../testing/buying.ts';
import { testContext } from '../../testing/support.ts';

const context = await testContext();

let nextId = 1;
/** A sale that is not loaded: leases do not need it to be. */
const newSale = (): SaleRef => ({ id: nextId++, shard: 0 });
const LIFE_MS = 60_000;
const WAIT_MS = 300;
const acquire = async (sale: SaleRef, holder: string, lifeMs = LIFE_MS, waitMs = WAIT_MS) =>
  (await context.commands.acquireLease(sale, holder, { lifeMs, waitMs, mayBeNew: true }))?.fencingToken;

/** As if the life of the lease had passed. */
const expire = (sale: SaleRef) => context.redis.del(context.keys.sale(sale).lease);

describe('the lease of a sale', () => {
  test('is given to one of many processes that ask at once', async () => {
    const sale = newSale();
    const tokens = await Promise.all(Array.from({ length: 30 }, () => acquire(sale, randomUUID())));
    expect(tokens.filter((token) => token !== undefined)).toEqual([1]);
  });

  test('has a fencing token that rises with every holder', async () => {
    const sale = newSale();
    for (const expected of [1, 2, 3]) {
      const holder = randomUUID();
      expect(await acquire(sale, holder)).toBe(expected);
      await context.commands.releaseLease(sale, `${expected} ${holder}`);
    }
    const lost = await acquire(sale, randomUUID());
    await expire(sale);
    expect(await acquire(sale, randomUUID())).toBe(lost! + 1);
  });

  test('is the same if the call that took it is sent again after a lost reply, and its life does not start again', async () => {
    const sale = newSale();
    const { lease } = context.keys.sale(sale);
    expect(await acquire(sale, 'me')).toBe(1);
    const expiresMs = await context.redis.pexpiretime(lease);
    expect(await acquire(sale, 'me', 2 * LIFE_MS)).toBe(1);
    expect(await context.redis.pexpiretime(lease)).toBe(expiresMs);
    expect(await context.redis.get(context.keys.sale(sale).fence)).toBe('1');
  });

  test('ends after its life', async () => {
    const sale = newSale();
    await acquire(sale, 'frozen', 20);
    await expect.poll(() => acquire(sale, 'next')).toBe(2);
  });

  test('is renewed by its holder only', async () => {
    const sale = newSale();
    const { lease } = context.keys.sale(sale);
    const mine = await takeLease(context, sale, 5_000);
    expect(await context.commands.renewLease(sale, mine, LIFE_MS)).toBe(true);
    expect(await context.redis.pttl(lease)).toBeGreaterThan(LIFE_MS - 10_000);
    for (const foreign of [`1 ${randomUUID()}`, mine.replace('1 ', '2 '), mine.slice(2), '']) {
      expect(await context.commands.renewLease(sale, foreign, 2 * LIFE_MS)).toBe(false);
    }
    expect(await context.redis.pttl(lease)).toBeLessThanOrEqual(LIFE_MS);
  });

  test('is not renewed after it has expired, even if no other process has taken it', async () => {
    const sale = newSale();
    const mine = await takeLease(context, sale);
    await expire(sale);
    expect(await context.commands.renewLease(sale, mine, LIFE_MS)).toBe(false);
    expect(await context.redis.exists(context.keys.sale(sale).lease)).toBe(0);
  });

  test('is released by its holder only, once', async () => {
    const sale = newSale();
    const { lease } = context.keys.sale(sale);
    const first = await takeLease(context, sale);
    await context.commands.releaseLease(sale, first);
    const second = await takeLease(context, sale);
    await context.commands.releaseLease(sale, first);
    expect(await context.redis.get(lease)).toBe(second);
  });

  test('released with the ledger’s fencing token raises the counter to it, and never lowers it', async () => {
    const sale = newSale();
    const { fence } = context.keys.sale(sale);
    await context.commands.releaseLease(sale, await takeLease(context, sale), 41);
    expect(await context.redis.get(fence)).toBe('41');
    const mine = await takeLease(context, sale);
    expect(mine).toMatch(/^42 /);
    await context.commands.releaseLease(sale, mine, 7);
    expect(await context.redis.get(fence)).toBe('42');
    // Compared as numbers: 100 is more than 43, although not as text.
    await context.commands.releaseLease(sale, await takeLease(context, sale), 100);
    expect(await takeLease(context, sale)).toMatch(/^101 /);
  });

  test('that was lost before its release raises nothing', async () => {
    const sale = newSale();
    const mine = await takeLease(context, sale);
    await expire(sale);
    await context.commands.releaseLease(sale, mine, 41);
    expect(await context.redis.get(context.keys.sale(sale).fence)).toBe('1');
  });

  test('shows its holder that another process waits, for as long as the wait is remembered', async () => {
    const sale = newSale();
    const { leaseWaiting } = context.keys.sale(sale);
    const mine = await takeLease(context, sale);
    const wanted = async () => (await context.commands.nextBatches(sale, mine, 10))?.isWanted;
    expect(await wanted()).toBe(false);
    // Its own repeated call does not count as a waiting process.
    await acquire(sale, mine.slice(2));
    expect(await wanted()).toBe(false);
    expect(await acquire(sale, 'another', LIFE_MS, 900)).toBeUndefined();
    expect(await wanted()).toBe(true);
    expect(await context.redis.pttl(leaseWaiting)).toBeGreaterThan(0);
    expect(await acquire(sale, 'another', LIFE_MS, 20)).toBeUndefined();
    await expect.poll(wanted).toBe(false);
  });

  test('is separate for each sale', async () => {
    const [a, b] = [newSale(), newSale()];
    await takeLease(context, a);
    const ofB = await takeLease(context, b);
    expect(await context.commands.renewLease(a, ofB, LIFE_MS)).toBe(false);
  });
});

describe('a service', () => {
  test('is led by one of many processes that ask at once, for as long as it renews the lead', async () => {
    const asked = Array.from({ length: 20 }, (_, i) => context.commands.lead(0, 'relay', `worker-${i}`, LIFE_MS));
    const answers = await Promise.all(asked);
    expect(answers.filter(Boolean)).toHaveLength(1);
    const leader = `worker-${answers.indexOf(true)}`;
    expect(await context.commands.lead(0, 'relay', leader, 2 * LIFE_MS)).toBe(true);
    expect(await context.redis.pttl(context.keys.service(0, 'relay'))).toBeGreaterThan(LIFE_MS);
    expect(await context.commands.lead(0, 'relay', 'somebody else', LIFE_MS)).toBe(false);
    expect(await context.commands.lead(0, 'returns', 'somebody else', LIFE_MS)).toBe(true);
  });

  test('moves to another process if its leader is gone or resigns; no other process can resign for it', async () => {
    await context.commands.lead(0, 'audit', 'killed', 20);
    await expect.poll(() => context.commands.lead(0, 'audit', 'next', LIFE_MS)).toBe(true);
    await context.commands.resign(0, 'audit', 'killed');
    expect(await context.commands.lead(0, 'audit', 'third', LIFE_MS)).toBe(false);
    await context.commands.resign(0, 'audit', 'next');
    expect(await context.commands.lead(0, 'audit', 'third', LIFE_MS)).toBe(true);
  });
});

describe('a clock that was set back by half a minute', () => {
  const STEP_MS = 30_000;

  test('keeps a lease whose holder is gone for its life, not for its life and the step', async () => {
    const sale = newSale();
    const { lease } = context.keys.sale(sale);
    await context.redis.set(lease, '7 gone', 'PX', 3_000 + STEP_MS);
    expect(await acquire(sale, 'next', 3_000)).toBeUndefined();
    expect(await context.redis.pttl(lease)).toBeLessThanOrEqual(3_000);
    // A later request does not extend it.
    await context.redis.pexpire(lease, 50);
    await acquire(sale, 'next', 3_000);
    await expect.poll(() => acquire(sale, 'next', 3_000)).toBe(1);
  });

  test('keeps the lead of a process that is gone for its life', async () => {
    const name = context.keys.service(0, 'stepped');
    await context.redis.set(name, 'gone', 'PX', 3_000 + STEP_MS);
    expect(await context.commands.lead(0, 'stepped', 'next', 3_000)).toBe(false);
    expect(await context.redis.pttl(name)).toBeLessThanOrEqual(3_000);
  });

  test('makes no holder release a lease for a process that waited before it', async () => {
    const sale = newSale();
    const mine = await takeLease(context, sale);
    await context.redis.set(context.keys.sale(sale).leaseWaiting, '1', 'PX', WAIT_MS + STEP_MS);
    expect((await context.commands.nextBatches(sale, mine, 10))?.isWanted).toBe(false);
  });
});

test('the counter of fencing tokens expires: a lost one is raised again from the ledger’s stamp', async () => {
  const sale = newSale();
  const { fence } = context.keys.sale(sale);
  const mine = await takeLease(context, sale);
  expect(await context.redis.pttl(fence)).toBeGreaterThan(3_600_000);
  await context.commands.releaseLease(sale, mine, 41);
  expect(await context.redis.pttl(fence)).toBeGreaterThan(3_600_000);
});
