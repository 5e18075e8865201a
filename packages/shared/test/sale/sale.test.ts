import { describe, expect, test } from 'vitest';
import { SALE_STATUSES, saleStatus, type LiveSale } from '../../src/sale/sale.ts';

const SALE = { startMs: 1_000, endMs: 2_000 };
const OPEN: LiveSale = {
  ready: true,
  version: 1,
  available: 1,
  held: 0,
  backlog: 0,
  pauseVersion: 0,
  paused: false,
  nowMs: 1_500,
};
const status = (live: Partial<LiveSale>) => saleStatus(SALE, { ...OPEN, ...live });

describe('the status of a sale', () => {
  test('is open only inside [start_time, end_time)', () => {
    expect([999, 1_000, 1_999, 2_000].map((nowMs) => status({ nowMs }))).toEqual([
      'scheduled',
      'open',
      'open',
      'ended',
    ]);
  });

  test('is final after the sale has ended, with any state in Redis', () => {
    expect(status({ nowMs: 2_000, ready: false, paused: true, available: 0 })).toBe('ended');
  });

  test('is not_ready if Redis was not compared with the ledger', () => {
    expect(status({ ready: false })).toBe('not_ready');
    expect(status({ ready: false, nowMs: 1, paused: true, available: 0 })).toBe('not_ready');
  });

  test('is scheduled before it is paused, and paused before it is sold out', () => {
    expect(status({ nowMs: 1, paused: true, available: 0 })).toBe('scheduled');
    expect(status({ paused: true, available: 0 })).toBe('paused');
    expect(status({ available: 0 })).toBe('sold_out');
  });

  test('is one of the six that the contract lists', () => {
    expect(SALE_STATUSES).toEqual(['not_ready', 'scheduled', 'open', 'paused', 'sold_out', 'ended']);
  });
});
