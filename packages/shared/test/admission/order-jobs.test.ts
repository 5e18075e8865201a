import { describe, expect, test } from 'vitest';
import { backoffMs, writeOrders, writeTogether } from '../../src/admission/order-jobs.ts';

describe('a job that writes orders', () => {
  const job = writeOrders({ id: 17, shard: 0 }, 'batch', 42);

  test('is retried practically without limit, at most two seconds apart', () => {
    expect(job.opts.attempts).toBe(Number.MAX_SAFE_INTEGER);
    expect(job.opts.backoff).toEqual({ type: 'capped' });
    const pauses = [1, 2, 3, 4, 5, 6, 10, 1_000, Number.MAX_SAFE_INTEGER].map(backoffMs);
    expect(pauses).toEqual([100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000, 2_000]);
  });

  test('leaves nothing that could block a later add with its id', () => {
    expect(job.opts).toMatchObject({ jobId: 'batch', removeOnComplete: true, removeOnFail: true });
  });

  test('names its batch, and is named by it', () => {
    expect(job.data).toEqual({ shard: 0, batches: [{ sale_id: 17, batch_no: 'batch', orders: 42 }] });
  });

  test('names ten batches of a call at most, and is named by the first', () => {
    const batches = Array.from({ length: 23 }, (_, i) => ({ sale_id: i, batch_no: `batch-${i}`, orders: 1 }));
    const jobs = writeTogether(0, batches);
    expect(jobs.map(({ opts, data }) => [opts.jobId, data.batches.length])).toEqual([
      ['batch-0', 10],
      ['batch-10', 10],
      ['batch-20', 3],
    ]);
    expect(jobs.flatMap(({ data }) => data.batches)).toEqual(batches);
  });
});
