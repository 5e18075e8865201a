import { describe, expect, test } from 'vitest';
import { addToCounters, changesOfWritten, readCounters } from '../../src/sale/sale-counters-table.ts';
import { testContext } from '../../testing/support.ts';

const context = await testContext();

describe('the changes for orders that were written', () => {
  const written = (...latenciesMs: number[]) =>
    changesOfWritten(
      latenciesMs.map((latencyMs) => ({ status: 'pending_payment', createdAtMs: 50_000 - latencyMs })),
      50_000,
    );
  const bucketOf = (latencyMs: number): number =>
    written(latencyMs).find(({ name }) => name === 'row_after_ms')!.bucket;

  test('count by status, by the second of admission and by latency', () => {
    const changes = changesOfWritten(
      [
        { status: 'pending_payment', createdAtMs: 1_999 },
        { status: 'pending_payment', createdAtMs: 2_000 },
        { status: 'failed', createdAtMs: 2_001 },
      ],
      2_004,
    );
    expect(changes).toEqual(
      expect.arrayContaining([
        { name: 'pending_payment', bucket: 0, value: 2 },
        { name: 'failed', bucket: 0, value: 1 },
        { name: 'accepted_at', bucket: 1, value: 1 },
        { name: 'accepted_at', bucket: 2, value: 2 },
      ]),
    );
  });

  test('never make a latency smaller, nor larger by more than a quarter', () => {
    for (let latencyMs = 1; latencyMs < 20_000; latencyMs += 1) {
      const bucket = bucketOf(latencyMs);
      expect(bucket).toBeGreaterThanOrEqual(latencyMs);
      expect(bucket).toBeLessThanOrEqual(latencyMs * 1.25);
    }
  });

  test('keep the series short: all latencies up to a minute need only a few dozen buckets', () => {
    const buckets = new Set(Array.from({ length: 60_000 }, (_, i) => bucketOf(i)));
    expect(buckets.size).toBeLessThan(64);
  });

  test('count a latency below zero, from a clock that is behind, as zero', () => {
    expect(bucketOf(-500)).toBe(1);
  });
});

test('counters add up over transactions, and a transaction that is rolled back counts nothing', async () => {
  const sale = await context.insertSale();
  const add = (value: number) => [{ name: 'paid' as const, bucket: 0, value }];
  await context.db.transaction().execute((tx) => addToCounters(tx, sale.id, add(2)));
  await context.db.transaction().execute((tx) => addToCounters(tx, sale.id, add(3)));
  const lost = context.db.transaction().execute(async (tx) => {
    await addToCounters(tx, sale.id, add(100));
    throw new Error('rolled back');
  });
  await expect(lost).rejects.toThrow('rolled back');
  expect(await readCounters(context.db, sale.id)).toEqual(add(5));
});
