import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  batchNoOf,
  newBatchNo,
  newOrderNumber,
  ORDER_NO_LENGTH_MAX,
  ORDER_NO_PATTERN,
  saleOfOrderNumber,
} from '../../src/order/order-number.ts';

const SHAPE = new RegExp(ORDER_NO_PATTERN);
const TIME_MAX_MS = 2 ** 48 - 1;
const RANDOM_FROM = 10;
const OWN_FROM = 20;
const RANDOM_TO = 32;

const sales = fc.record({ shard: fc.nat(9_999), id: fc.integer({ min: 1, max: 999_999_999_999_999 }) });
const times = fc.integer({ min: 0, max: TIME_MAX_MS });

describe('an order number', () => {
  test('has the published form and length for any sale and time', () => {
    fc.assert(
      fc.property(sales, times, (sale, nowMs) => {
        const orderNo = newOrderNumber(sale, newBatchNo(nowMs));
        expect(orderNo).toMatch(SHAPE);
        expect(orderNo.length).toBeLessThanOrEqual(ORDER_NO_LENGTH_MAX);
      }),
    );
  });

  test('names its shard and sale, so that a poll needs no lookup', () => {
    fc.assert(
      fc.property(sales, times, (sale, nowMs) => {
        expect(saleOfOrderNumber(newOrderNumber(sale, newBatchNo(nowMs)))).toEqual(sale);
      }),
    );
  });

  test('sorts by time as plain text, to the millisecond', () => {
    fc.assert(
      fc.property(sales, sales, times, times, (saleA, saleB, aMs, bMs) => {
        fc.pre(aMs !== bMs);
        expect(newOrderNumber(saleA, newBatchNo(aMs)) < newOrderNumber(saleB, newBatchNo(bMs))).toBe(aMs < bMs);
      }),
    );
    const sale = { shard: 0, id: 1 };
    const nowMs = 1_800_000_000_000;
    expect(newOrderNumber(sale, newBatchNo(nowMs)) < newOrderNumber(sale, newBatchNo(nowMs + 1))).toBe(true);
    expect(newOrderNumber(sale, newBatchNo(nowMs + 0.9)).slice(0, RANDOM_FROM)).toBe(
      newOrderNumber(sale, newBatchNo(nowMs)).slice(0, RANDOM_FROM),
    );
  });

  test('encodes the time as a ULID does, so that any ULID reader finds it', () => {
    // The example of the ULID specification.
    expect(newOrderNumber({ shard: 0, id: 1 }, newBatchNo(1_469_918_176_385)).slice(0, RANDOM_FROM)).toBe('01ARYZ6S41');
  });

  test('begins with the number of its batch, so that a poll finds it there', () => {
    fc.assert(
      fc.property(sales, times, (sale, nowMs) => {
        const batchNo = newBatchNo(nowMs);
        expect(batchNoOf(newOrderNumber(sale, batchNo))).toBe(batchNo);
      }),
    );
  });

  test('has 60 random bits of its own: whoever knows an order cannot guess another one of its batch', () => {
    const batchNo = newBatchNo(1_800_000_000_000);
    const own = Array.from({ length: 100_000 }, () =>
      newOrderNumber({ shard: 0, id: 17 }, batchNo).slice(OWN_FROM, RANDOM_TO),
    );
    expect(new Set(own).size).toBe(own.length);
    for (const part of own.slice(0, 100)) expect(part).toHaveLength(12);
  });

  test('has 110 random bits: no two of 100,000 made in one millisecond agree, and every letter appears in every place', () => {
    const made = Array.from({ length: 100_000 }, () =>
      newOrderNumber({ shard: 0, id: 17 }, newBatchNo(1_800_000_000_000)),
    );
    expect(new Set(made).size).toBe(made.length);
    for (let place = RANDOM_FROM; place < RANDOM_TO; place += 1) {
      const counts = new Map<string, number>();
      for (const orderNo of made) counts.set(orderNo[place]!, (counts.get(orderNo[place]!) ?? 0) + 1);
      expect(counts.size).toBe(32);
      // 3,125 are expected of each letter; ±600 is more than ten standard deviations.
      for (const count of counts.values()) expect(Math.abs(count - 3_125)).toBeLessThan(600);
    }
  });
});

describe('saleOfOrderNumber', () => {
  const valid = '01KARYB6S5Q0H9M3T7ZV5W8XCE4K7N9B-0-17';

  test('reads a valid number, and one of an earlier version, whose row is in the ledger', () => {
    expect(saleOfOrderNumber(valid)).toEqual({ shard: 0, id: 17 });
    expect(saleOfOrderNumber('01KARYB6S5Q0H9M3T7ZV5W8XCE-0-17')).toEqual({ shard: 0, id: 17 });
  });

  test.each([
    ['nothing', ''],
    ['no shard and no sale', valid.slice(0, 32)],
    ['no sale', valid.slice(0, 34)],
    ['an empty sale', valid.slice(0, 35)],
    ['lower case', valid.toLowerCase()],
    ['letters that Crockford left out', valid.replace('K', 'I')],
    ['a U', valid.replace('K', 'U')],
    ['a time beyond 48 bits', `8${valid.slice(1)}`],
    ['a character too few', valid.slice(1)],
    ['a character too many', `0${valid}`],
    ['a leading zero in the sale', valid.replace('-17', '-017')],
    ['sale 0', valid.replace('-17', '-0')],
    ['a leading zero in the shard', valid.replace('-0-', '-00-')],
    ['a negative shard', valid.replace('-0-', '--1-')],
    ['a shard of five digits', valid.replace('-0-', '-10000-')],
    ['a sale beyond safe integers', valid.replace('-17', '-1000000000000000')],
    ['a fourth part', `${valid}-1`],
    ['a line feed at the end', `${valid}\n`],
    ['a space before', ` ${valid}`],
    ['braces, which would move the hash tag', valid.replace('-0-', '-{1}-')],
    ['other digits', valid.replace('-17', '-１７')],
    ['a very long text', `${valid}${'1'.repeat(100_000)}`],
  ])('refuses %s', (_, text) => {
    expect(saleOfOrderNumber(text)).toBeUndefined();
  });

  test('refuses everything that does not have exactly this form', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(saleOfOrderNumber(text) !== undefined).toBe(SHAPE.test(text));
      }),
    );
  });
});
