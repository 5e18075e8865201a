import { describe, expect, test } from 'vitest';
import { isTooWide, rangeOf } from '@flash-sale/shared/platform/address.ts';
import { DenySet } from '../../src/deny-list/deny-set.ts';

describe('a range of addresses', () => {
  test.each([
    ['203.0.113.7', '203.0.113.7/32'],
    ['203.0.113.7/24', '203.0.113.0/24'],
    ['203.0.113.255/25', '203.0.113.128/25'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['::ffff:203.0.113.7', '203.0.113.7/32'],
    ['::ffff:203.0.113.7/120', '203.0.113.0/24'],
    ['2001:DB8::1', '2001:db8::1/128'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1/128'],
    ['2001:db8:1:2:3:4:5:6/64', '2001:db8:1:2::/64'],
    ['2001:db8:ffff::/33', '2001:db8:8000::/33'],
    ['64:ff9b::203.0.113.7/96', '64:ff9b::/96'],
  ])('%s is %s', (text, cidr) => {
    expect(rangeOf(text)?.cidr).toBe(cidr);
    // However it was written, it reads back as itself.
    expect(rangeOf(cidr)).toEqual(rangeOf(text));
  });

  test.each(
    ['', '/', 'a', '1.2.3', '1.2.3.4.5', '01.2.3.4', '256.0.0.1', '0.0.0.0/0', '10.0.0.0/7', '10.0.0.0/33'].concat(
      ['10.0.0.0/', '10.0.0.0/08', '10.0.0.0/8/8', '::/0', '2001::/15', '::1/129', ':::', '1:2:3:4:5:6:7:8:9'],
      ['fe80::1%eth0', '::ffff:1.2.3.4/96', '10.0.0.0/-8', '10.0.0.0/8.5'],
    ),
  )('“%s” is none, or too wide', (text) => {
    const range = rangeOf(text);
    expect(range === undefined || isTooWide(range)).toBe(true);
  });
});

describe('the deny set denies', () => {
  const entry = (kind: 'user' | 'address', value: string, expiresMs?: number) => ({
    kind,
    value,
    expiresAt: expiresMs === undefined ? null : new Date(expiresMs),
  });
  const denied = new DenySet([
    entry('user', 'bot'),
    entry('user', 'brief', 1_000),
    entry('address', '203.0.113.0/24'),
    entry('address', '198.51.100.7/32', 1_000),
    entry('address', '2001:db8:1::/48'),
  ]);

  test('a user by the bytes of the id, until the entry expires', () => {
    expect(['bot', 'Bot', 'bot2', ''].map((user) => denied.hasUser(user, 0))).toEqual([true, false, false, false]);
    expect([999, 1_000].map((nowMs) => denied.hasUser('brief', nowMs))).toEqual([true, false]);
  });

  test.each([
    ['203.0.113.0', true],
    ['203.0.113.255', true],
    ['::ffff:203.0.113.9', true],
    ['203.0.113.9:52311', true],
    ['[::ffff:203.0.113.9]:443', true],
    ['[2001:DB8:1::5%eth0]:443', true],
    ['unknown', false],
    ['203.0.114.0', false],
    ['2001:db8:1:ffff::1', true],
    ['2001:DB8:0001::1', true],
    ['2001:db8:2::1', false],
    ['::1', false],
    ['198.51.100.7', true],
    ['198.51.100.8', false],
  ])('an address of a denied range: %s %s', (address, isDenied) => {
    expect(denied.hasAddress(address, 0)).toBe(isDenied);
  });

  test('an address until the entry expires, and nobody if the list is empty', () => {
    expect([999, 1_000].map((nowMs) => denied.hasAddress('198.51.100.7', nowMs))).toEqual([true, false]);
    expect(new DenySet().hasAddress('203.0.113.1', 0)).toBe(false);
  });
});
