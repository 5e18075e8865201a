import { describe, expect, it } from 'vitest';
import { titleOf } from '../../src/dashboard/orders-adapter.ts';

const NOW_MS = 1_800_000_000_000;
const dataOf = (...orders: (number | undefined)[]) => ({
  shard: 0,
  batches: orders.map((each, i) => ({ sale_id: 17 + i, batch_no: `batch-${i}`, orders: each })),
});
const job = {
  name: 'write_orders',
  progress: 0,
  attemptsMade: 0,
  timestamp: NOW_MS,
  failedReason: '',
  stacktrace: null,
  data: dataOf(2),
  returnvalue: null,
  opts: {},
};

describe('the title of a job describes it', () => {
  it.each([
    ['sale, orders and age', {}, 'sale 17 · 2 orders · 0 s old'],
    ['one order', { data: dataOf(1) }, 'sale 17 · 1 order · 0 s old'],
    ['no number of orders, as the relay adds it', { data: dataOf(undefined) }, 'sale 17 · 0 s old'],
    ['several sales', { data: dataOf(1, 2, 4) }, '3 sales · 7 orders · 0 s old'],
    ['seconds', { timestamp: NOW_MS - 119_000 }, 'sale 17 · 2 orders · 119 s old'],
    ['minutes', { timestamp: NOW_MS - 120_000 }, 'sale 17 · 2 orders · 2 min old'],
    ['hours', { timestamp: NOW_MS - 3 * 3_600_000 }, 'sale 17 · 2 orders · 3 h old'],
    ['a clock that is behind', { timestamp: NOW_MS + 5_000 }, 'sale 17 · 2 orders · 0 s old'],
    [
      'tries and the last error',
      { attemptsMade: 2, failedReason: 'connect ECONNREFUSED' },
      'sale 17 · 2 orders · 0 s old · tried 2 times · connect ECONNREFUSED',
    ],
    [
      'no more of an error than fits',
      { attemptsMade: 1, failedReason: 'x'.repeat(500) },
      `sale 17 · 2 orders · 0 s old · tried once · ${'x'.repeat(80)}`,
    ],
  ])('%s', (_what, fields, title) => {
    expect(titleOf({ ...job, ...fields }, NOW_MS)).toBe(title);
  });
});
