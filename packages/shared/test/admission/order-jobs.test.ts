import { describe, expect, test } from 'vitest';
import { backoffMs, writeOrdersOptions } from '../../src/admission/order-jobs.ts';

describe('a job that writes orders', () => {
  test('is retried practically without limit, at most two seconds apart', () => {
    expect(writeOrdersOptions('job').attempts).toBe(Number.MAX_SAFE_INTEGER);
    expect(writeOrdersOptions('job').backoff).toEqual({ type: 'capped' });
    const pauses = [1, 2, 3, 4, 5, 6, 10, 1_000, Number.MAX_SAFE_INTEGER].map(backoffMs);
    expect(pauses).toEqual([100, 200, 400, 800, 1_600, 2_000, 2_000, 2_000, 2_000]);
  });

  test('leaves nothing that could block a later add with its id', () => {
    expect(writeOrdersOptions('job')).toMatchObject({ jobId: 'job', removeOnComplete: true, removeOnFail: true });
  });
});
