import { describe, expect, test } from 'vitest';
import { callerOfAddress, canonicalAddress, isLoopback, splitPort } from '../../src/platform/address.ts';

describe('one caller', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8::5:6:7:8', '2001:db8:0:0::/64'],
    ['2001:db8::4:5:6:7:8', '2001:db8:0:4::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ['1:2:3:4:5:6:192.0.2.1', '1:2:3:4::/64'],
    ['203.0.113.9:52311', '203.0.113.9'],
    ['[::FFFF:203.0.113.9%eth0]:443', '203.0.113.9'],
    ['[2001:DB8:1:2::5]:65535', '2001:db8:1:2::/64'],
    ['unknown', 'unknown'],
  ])('%s is %s', (address, caller) => {
    expect(callerOfAddress(address)).toBe(caller);
  });
});

describe('an address, however a proxy writes it', () => {
  test.each([
    ['203.0.113.9', '203.0.113.9'],
    ['203.0.113.9:52311', '203.0.113.9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['::FFFF:CB00:7109', '203.0.113.9'],
    ['[::ffff:203.0.113.9]', '203.0.113.9'],
    ['[::ffff:203.0.113.9]:443', '203.0.113.9'],
    ['2001:DB8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['[fe80::1%25eth0]:443', 'fe80::1'],
  ])('%s is %s', (text, address) => {
    expect(canonicalAddress(text)).toBe(address);
  });

  test.each(
    ['', ' ', 'unknown', '_hidden', '203.0.113', '203.0.113.256', '0xcb007109', '203.0.113.010', '3405803785'].concat(
      ['203.0.113.9:', '203.0.113.9:x', '203.0.113.9:523110', '[203.0.113.9]:1', '[::1', '::1]', '[::1]443', ':::'],
      ['203.0.113.9, 10.0.0.1', '203.0.113.9/32', 'localhost:80', `${'0'.repeat(90)}::1`],
    ),
  )('“%s” is none', (text) => {
    expect(canonicalAddress(text)).toBeUndefined();
  });

  test.each(['127.0.0.1', '127.8.9.10:5', '::1', '[::1]:80', '::ffff:127.0.0.1'])('%s is this machine', (text) => {
    expect(isLoopback(text)).toBe(true);
  });

  test.each(['128.0.0.1', '::2', 'localhost', ''])('“%s” is not known to be this machine', (text) => {
    expect(isLoopback(text)).toBe(false);
  });
});

describe('a host and its port', () => {
  test.each([
    ['redis', { host: 'redis' }],
    ['redis:6379', { host: 'redis', port: 6379 }],
    ['10.0.0.1:1', { host: '10.0.0.1', port: 1 }],
    ['::1', { host: '::1' }],
    ['[::1]', { host: '::1' }],
    ['[::1]:6379', { host: '::1', port: 6379 }],
    ['[fe80::1%eth0]:6379', { host: 'fe80::1%eth0', port: 6379 }],
  ])('%s', (text, parts) => {
    expect(splitPort(text)).toEqual(parts);
  });

  test.each(['', ':1', '[]:1', '[redis]:1', 'a:b:1', 'redis:', 'redis:x', '[::1]x:1'])('“%s” is neither', (text) => {
    expect(splitPort(text)).toBeUndefined();
  });
});
