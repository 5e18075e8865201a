import { expect, test } from 'vitest';
import {
  commitmentOf,
  LATE_GROUPS,
  RoomSecrets,
  TICKET_LENGTH_MAX,
  type Joined,
} from '../../src/waiting-room/room-secrets.ts';

const ROOM = { seed: 'ab'.repeat(32), ticketKey: 'cd'.repeat(32) };
const ALICE = { userId: 'alice', saleId: 17 };
const LATE: Joined = { late: 12_345 };

test('a ticket has the same place on every replica, however often it is issued', () => {
  const [one, other] = [new RoomSecrets(ROOM), new RoomSecrets({ ...ROOM })];
  expect(one.sign(ALICE, 'early')).toBe(other.sign(ALICE, 'early'));
  expect(one.verify(other.sign(ALICE, 'early'), ALICE)).toBe('early');
  expect(one.verify(other.sign(ALICE, LATE), ALICE)).toEqual(LATE);
  expect(one.draw('alice')).toEqual(other.draw('alice'));
  expect(one.early(ALICE)).toEqual(other.early(ALICE));
  expect(one.early(ALICE).ticket).toBe(one.sign(ALICE, 'early'));
});

test.each<[string, object]>([
  ['shopper', { userId: 'bob' }],
  ['spelling of the shopper', { userId: 'Alice' }],
  ['sale', { saleId: 18 }],
])('a ticket of another %s is refused', (_, other) => {
  const secrets = new RoomSecrets(ROOM);
  for (const joined of ['early', LATE] as const) {
    expect(secrets.verify(secrets.sign({ ...ALICE, ...other }, joined), ALICE)).toBeUndefined();
  }
});

test('a ticket of another secret is refused, and so is one with another place', () => {
  const secrets = new RoomSecrets(ROOM);
  const foreign = new RoomSecrets({ ...ROOM, ticketKey: 'ef'.repeat(32) });
  expect(secrets.verify(foreign.sign(ALICE, LATE), ALICE)).toBeUndefined();
  const ticket = secrets.sign(ALICE, LATE);
  const [, , , mac] = ticket.split('.');
  for (const forged of [`e.h.${mac}`, ticket.replace(/^l\.[0-9a-z]+/, 'l.1'), `${ticket}A`, `l.1.${ticket}`, '', 'e']) {
    expect(secrets.verify(forged, ALICE)).toBeUndefined();
  }
});

test('a public seed gives nobody a ticket: the tickets have a key of their own', () => {
  const guess = new RoomSecrets({ seed: ROOM.seed, ticketKey: ROOM.seed });
  expect(new RoomSecrets(ROOM).verify(guess.sign(ALICE, 'early'), ALICE)).toBeUndefined();
});

test('the longest ticket fits', () => {
  const longest = new RoomSecrets(ROOM).sign({ userId: 'u', saleId: Number.MAX_SAFE_INTEGER }, { late: 36 ** 9 - 1 });
  expect(longest.length).toBeLessThanOrEqual(TICKET_LENGTH_MAX);
  expect(new RoomSecrets(ROOM).verify(longest, { userId: 'u', saleId: Number.MAX_SAFE_INTEGER })).toBeDefined();
});

test('the commitment is the SHA-256 of the seed', () => {
  // printf '%s' abab…ab | xxd -r -p | sha256sum
  expect(commitmentOf(ROOM)).toMatch(/^[0-9a-f]{64}$/);
  expect(commitmentOf(ROOM)).not.toBe(commitmentOf({ seed: 'ac'.repeat(32) }));
});

test('late shoppers are spread evenly over their groups', () => {
  const secrets = new RoomSecrets(ROOM);
  const groups = Array.from(
    { length: 20_000 },
    (_, i) => secrets.early({ userId: `u${i}`, saleId: 17 }).shopper % LATE_GROUPS,
  );
  const parts = Array.from({ length: 16 }, (_, part) => groups.filter((group) => group >> 14 === part).length);
  for (const count of parts) expect(Math.abs(count - 1_250)).toBeLessThan(5 * Math.sqrt(1_250));
  expect(new Set(groups).size).toBeGreaterThan(19_000);
});
