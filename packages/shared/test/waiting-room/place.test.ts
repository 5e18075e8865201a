import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { EarlyLine } from '../../src/waiting-room/early-line.ts';
import { EARLY_SLOTS, fractionOf, slotOf } from '../../src/waiting-room/place.ts';
import { RoomSecrets } from '../../src/waiting-room/room-secrets.ts';
import { bitmapOf } from '../../testing/rooms.ts';

const SECRETS = new RoomSecrets({ seed: 'ab'.repeat(32), ticketKey: 'cd'.repeat(32) });
const users = (count: number): string[] => Array.from({ length: count }, (_, i) => `shopper-${i}`);

/** Chi-square of counts that should be equal. */
function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

test('early places are uniform: chi-square over 100,000 shoppers in 100 equal parts', () => {
  const parts = Array.from({ length: 100 }, () => 0);
  for (const user of users(100_000)) parts[Math.floor(SECRETS.draw(user).fraction * 100)]! += 1;
  // 99 degrees of freedom: above this value once in 1,000 seeds.
  expect(chiSquare(parts)).toBeLessThan(148.2);
});

test('an early place says nothing about when the shopper joined, and ids that look alike are far apart', () => {
  const all = users(20_000).map((user) => SECRETS.draw(user).fraction);
  const half = all.length / 2;
  // The first half of the arrivals is not ahead of the second more often than by chance.
  const ahead = all.slice(0, half).filter((fraction, i) => fraction < all[half + i]!).length;
  expect(Math.abs(ahead - half / 2)).toBeLessThan(4 * Math.sqrt(half / 4));
  const pairs = all.slice(1).filter((fraction, i) => Math.abs(fraction - all[i]!) < 0.01).length;
  expect(pairs / all.length).toBeCloseTo(0.02, 2);
});

test('a shopper checks the own place with three lines', () => {
  const mac = createHmac('sha256', Buffer.from('ab'.repeat(32), 'hex'))
    .update('alice')
    .digest();
  const place = Number(mac.readBigUInt64BE()) / 2 ** 64;
  expect(SECRETS.draw('alice').fraction).toBeCloseTo(place, 15);
});

test('slots are in the order of the fractions, and the first and the last one can be hit', () => {
  const macs = users(5_000).map((user) => createHmac('sha256', 'key').update(user).digest());
  const inOrder = macs.toSorted((a, b) => fractionOf(a) - fractionOf(b)).map(slotOf);
  expect(inOrder).toEqual(inOrder.toSorted((a, b) => a - b));
  expect(slotOf(Buffer.alloc(32, 0))).toBe(0);
  expect(slotOf(Buffer.alloc(32, 255))).toBe(EARLY_SLOTS - 1);
});

/** The most that the bitmap is wrong about the first `first` of a line, as a share of it. */
function errorOf(count: number, first: number): number {
  const slots = users(count)
    .map((user) => SECRETS.draw(user).slot)
    .toSorted((a, b) => a - b);
  return Math.abs(new EarlyLine(bitmapOf(slots)).before(slots[first]!) - first) / first;
}

test.each([
  [5_000, 100, 0.011],
  [100_000, 100, 0.011],
  [100_000, 1_000, 0.005],
  [100_000, 20_000, 0.005],
])('of %i early shoppers, the bitmap counts the first %i to within a share of %d', (count, first, share) => {
  expect(errorOf(count, first)).toBeLessThan(share);
});

test('the gate moves over as many people as it may call, or over one if it must', () => {
  const line = new EarlyLine(bitmapOf([3, 5, 100, 70_000]));
  expect(line.advance(0, 2, 0)).toMatchObject({ slot: 100, people: expect.closeTo(2, 3) });
  expect(line.advance(6, 0.5, 0)).toEqual({ slot: 100, people: 0 });
  expect(line.advance(6, 0.5, Infinity)).toMatchObject({ slot: 70_000, people: expect.closeTo(1, 3) });
  expect(line.advance(100, 10, 0)).toMatchObject({ slot: EARLY_SLOTS, people: expect.closeTo(2, 3) });
});
