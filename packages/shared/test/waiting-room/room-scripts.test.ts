import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { EarlyLine } from '../../src/waiting-room/early-line.ts';
import { CLOSED_GATE } from '../../src/waiting-room/gate.ts';
import { moveGate, readGates, readSavedEarly, saveEarly, saveLate } from '../../src/waiting-room/gates-table.ts';
import { JOIN_KNOWN_MS } from '../../src/waiting-room/waiting-room-commands.ts';
import { LATE_GROUPS } from '../../src/waiting-room/room-secrets.ts';
import { findSale } from '../../src/sale/products-table.ts';
import type { SaleWithTexts } from '../../src/sale/sale.ts';
import { buy } from '../../testing/buying.ts';
import { bitmapOf } from '../../testing/rooms.ts';
import { openTestContext, type TestContext } from '../../testing/support.ts';

let context: TestContext;
let sale: SaleWithTexts;
beforeAll(async () => {
  context = await openTestContext();
});
afterAll(() => context.close());

const ROOM = { opensAtMs: 1_000 };
const EMPTY = { isDrawn: false, late: 0, early: Buffer.alloc(0), gate: CLOSED_GATE };

async function openRoom(fields: Parameters<TestContext['openSale']>[0] = {}): Promise<SaleWithTexts> {
  const opened = await context.openSale({ room: ROOM, ...fields });
  expect(await context.commands.loadRoom(opened, EMPTY)).toBe(true);
  return opened;
}
const CALL = { version: 1, gate: 4_000, calls: [{ atMs: 5, gate: 4_000, people: 2.5 }], pacedMs: 7 };
const soon = () => ({ startMs: Date.now() + 3_600_000, endMs: Date.now() + 7_200_000 });
const join = (slot: number, shopper = slot) => ({ slot, shopper });
/** The bitmap in Redis, which ends with its last bit, in full length. */
const early = async (): Promise<Buffer> => {
  const bitmap = bitmapOf([]);
  (await context.commands.readEarly(sale)).copy(bitmap);
  return bitmap;
};
const lateOf = async (...shoppers: number[]) =>
  (
    await context.commands.joinRoom(
      sale,
      shoppers.map((shopper) => join(1, shopper)),
    )
  ).map((one) => (one.outcome !== 'joined' ? one : one.joined === 'early' ? 'early' : one.joined.late));

describe('joining before the start', () => {
  beforeEach(async () => {
    sale = await openRoom(soon());
  });

  test('counts a shopper once, however often and by whichever call', async () => {
    const { commands } = context;
    const joins = await commands.joinRoom(sale, [join(7), join(70_000), join(7)]);
    expect(joins).toEqual(joins.map(() => ({ outcome: 'joined', joined: 'early' })));
    await commands.joinRoom(sale, [join(7), join(1_048_575)]);
    expect(await early()).toEqual(bitmapOf([7, 70_000, 1_048_575]));
    expect(new EarlyLine(await commands.readEarly(sale)).size).toBeCloseTo(3, 3);
    expect(await commands.readRoom(sale)).toMatchObject({ isLoaded: true, isDrawn: false, late: 0, gate: 0 });
  });

  test('gives a shopper who missed the answer the same result after the start', async () => {
    const { commands, redis, keys } = context;
    const startMs = Date.now() + 30_000;
    sale = await openRoom({ startMs, endMs: startMs + 3_600_000 });
    await commands.joinRoom(sale, [join(7), join(8)]);
    await redis.hset(keys.sale(sale).state, 'start_ms', '1');
    expect(await lateOf(9, 7, 10)).toEqual([0, 'early', 1_000]);
    expect(await early()).toEqual(bitmapOf([7, 8]));
  });

  test('is over for good once the start has come, also if the clock is set back', async () => {
    const { commands, redis, keys } = context;
    await commands.joinRoom(sale, [join(7)]);
    await redis.hset(keys.sale(sale).state, 'start_ms', '1');
    await commands.lookAtRoom(sale, 60_000);
    await redis.hset(keys.sale(sale).state, 'start_ms', String(sale.startMs));
    expect(await lateOf(3)).toEqual([0]);
    expect(await early()).toEqual(bitmapOf([7]));
  });
});

describe('joining after the start', () => {
  beforeEach(async () => {
    sale = await openRoom();
  });

  const forgetJoins = () => context.redis.del(...context.keys.roomJoined(sale));

  test('gives places in the order of arrival, and the same place if a shopper joins again after a lost answer', async () => {
    expect(await lateOf(1, 2, 3)).toEqual([0, 1_000, 2_000]);
    expect(await lateOf(1)).toEqual([0]);
    expect(await lateOf(4, 4, 2)).toEqual([3_000, 3_000, 1_000]);
    expect(await context.commands.readRoom(sale)).toMatchObject({ isDrawn: true, late: 4_000 });
    const lives = await Promise.all(context.keys.roomJoined(sale).map((key) => context.redis.pttl(key)));
    expect(Math.max(...lives)).toBeGreaterThan(JOIN_KNOWN_MS);
    expect(Math.max(...lives)).toBeLessThanOrEqual(2 * JOIN_KNOWN_MS);
  });

  test('a newcomer whose group is taken stands behind all who came before, and so does a shopper who joins again much later', async () => {
    expect(await lateOf(1, 2, 3)).toEqual([0, 1_000, 2_000]);
    // Everybody may be called by now: a place before the end would be called at once.
    expect(await lateOf(1 + LATE_GROUPS)).toEqual([3_000]);
    await forgetJoins();
    expect(await lateOf(2)).toEqual([3_001]);
    expect(await lateOf(9, 3 + LATE_GROUPS, 10)).toEqual([3_002, 4_002, 4_003]);
    // Behind the last one the line goes on, so that the gate can call everybody.
    expect(await lateOf(4 + LATE_GROUPS * 2, 10 + LATE_GROUPS)).toEqual([5_003, 6_003]);
    expect((await context.commands.readRoom(sale)).late).toBe(6_004);
  });

  test('counts many shoppers with an error below 1 %, although some share a group', async () => {
    const count = 50_000;
    for (let from = 0; from < count; from += 500) {
      const shoppers = Array.from({ length: 500 }, (_, i) => Math.imul(from + i + 1, 0x9e3779b1) >>> 14);
      await lateOf(...shoppers);
    }
    const random = Array.from({ length: 20_000 }, () => Math.floor(Math.random() * 2 ** 48));
    for (let from = 0; from < random.length; from += 500) await lateOf(...random.slice(from, from + 500));
    const { late } = await context.commands.readRoom(sale);
    // The first ones are spread evenly and collide with nobody; the others collide with them.
    const expected = LATE_GROUPS * Math.log(LATE_GROUPS / (LATE_GROUPS - count));
    expect(Math.abs(late / 1_000 - expected - random.length) / (count + random.length)).toBeLessThan(0.02);
  });

  test('is refused without the room, after the end, and by a Redis that lost the room', async () => {
    const { commands, redis, keys } = context;
    const ended = await openRoom({ startMs: 1_000, endMs: Date.now() - 1 });
    expect(await commands.joinRoom(ended, [join(1), join(2)])).toEqual([{ outcome: 'ended' }, { outcome: 'ended' }]);
    const plain = await context.openSale();
    expect(await commands.joinRoom(plain, [join(1)])).toEqual([{ outcome: 'not_ready' }]);
    await redis.hset(keys.sale(sale).room, 'history_id', 'another');
    expect(await commands.joinRoom(sale, [join(1)])).toEqual([{ outcome: 'not_ready' }]);
    expect(await commands.readRoom(sale)).toMatchObject({ isLoaded: false });
  });
});

describe('loading a room', () => {
  test('joins what the ledger has with what Redis still has, and nothing falls', async () => {
    const { commands } = context;
    sale = await openRoom(soon());
    await commands.joinRoom(sale, [join(7)]);
    await commands.loadRoom(sale, { isDrawn: true, late: 5_000, early: bitmapOf([9]), gate: CALL });
    await commands.loadRoom(sale, EMPTY);
    expect(await commands.readRoom(sale)).toMatchObject({ version: 1, gate: 4_000, calls: CALL.calls });
    expect(await early()).toEqual(bitmapOf([7, 9]));
    expect(await commands.readRoom(sale)).toMatchObject({ isDrawn: true, late: 5_000 });
  });

  test('does not bring back a sale that Redis does not keep', async () => {
    const { commands, redis, keys } = context;
    sale = await context.insertSale({ room: ROOM });
    expect(await commands.loadRoom(sale, { ...EMPTY, isDrawn: true, early: bitmapOf([1]) })).toBe(false);
    const { room, roomEarly } = keys.sale(sale);
    expect(await redis.exists(room, roomEarly)).toBe(0);
  });
});

describe('the gate', () => {
  test('is published by version: an older one never replaces a newer one', async () => {
    const { commands } = context;
    sale = await openRoom();
    await commands.publishGate(sale, { ...CALL, version: 2 }, true);
    await commands.publishGate(sale, { ...CALL, gate: 1_000 }, false);
    expect(await commands.readRoom(sale)).toMatchObject({
      version: 2,
      gate: 4_000,
      calls: CALL.calls,
      mayReturn: true,
    });
    await commands.publishGate(sale, { ...CALL, version: 2 }, false);
    expect(await commands.readRoom(sale)).toMatchObject({ version: 2, mayReturn: false });
  });

  test('is moved in the ledger only by a process that knows the version before, and never falls', async () => {
    const { db } = context;
    sale = await openRoom();
    await saveEarly(db, sale.id, bitmapOf([1]), { isDrawn: true });
    expect(await moveGate(db, sale.id, CALL)).toBe(true);
    expect(await moveGate(db, sale.id, { ...CALL, gate: 9_000 })).toBe(false);
    expect(await moveGate(db, sale.id, { ...CALL, version: 2, gate: 3_000 })).toBe(false);
    await saveLate(db, sale.id, 8_000);
    await saveLate(db, sale.id, 2_000);
    const rows = await readGates(db, [sale.id]);
    expect(rows.get(sale.id)).toEqual({ gate: CALL, late: 8_000, isDrawn: true, admitPerSecond: null });
    expect((await readGates(db, [(await context.openSale({ room: ROOM })).id])).values().next().value?.gate).toEqual(
      CLOSED_GATE,
    );
  });

  test('keeps the early line that is fixed, and loses nothing that was saved', async () => {
    const { db } = context;
    sale = await openRoom(soon());
    await saveEarly(db, sale.id, bitmapOf([1]), { isDrawn: false });
    expect((await findSale(db, sale.id))?.room?.isDrawn).toBe(false);
    await saveEarly(db, sale.id, bitmapOf([2]), { isDrawn: true });
    await saveEarly(db, sale.id, bitmapOf([3]), { isDrawn: true });
    expect(await readSavedEarly(db, sale.id)).toEqual(bitmapOf([1, 2]));
    expect((await findSale(db, sale.id))?.room?.isDrawn).toBe(true);
  });

  test('reads a limited number of the shoppers who entered, and all of them in a few calls', async () => {
    const { commands, redis, keys } = context;
    sale = await openRoom();
    const users = Array.from({ length: 4_500 }, (_, i) => `u${i}`);
    const endMs = Date.now() + 60_000;
    for (let from = 0; from < users.length; from += 500) {
      const some = users.slice(from, from + 500);
      await commands.enterRoom(
        sale,
        some.map((userId, i) => ({ userId, passEndMs: endMs + from + i })),
      );
    }
    // Nobody of the first 3,000 has bought yet.
    const bought = async () => (await commands.lookAtRoom(sale, 120_000)).bought;
    const own = (some: string[]) =>
      redis.hset(keys.sale(sale).owners, Object.fromEntries(some.map((user) => [user, '1'])));
    await own(users.slice(3_000));
    expect(await bought()).toBe(1_000);
    expect(await bought()).toBe(1_500);
    await own(users);
    const counts = [await bought(), await bought()];
    expect(counts).toEqual([3_500, 4_500]);
  });

  test('records nobody if all passes have ended: the key once had no TTL', async () => {
    const { commands, redis, keys } = context;
    sale = await openRoom();
    await commands.enterRoom(sale, [{ userId: 'u1', passEndMs: Date.now() - 60_000 }]);
    expect(await redis.exists(keys.sale(sale).roomEntered)).toBe(0);
  });

  test('counts the shoppers who entered and bought while their pass lasts, and the key expires', async () => {
    const { commands, redis, keys } = context;
    sale = await openRoom();
    const endMs = Date.now() + 60_000;
    await commands.enterRoom(sale, [
      { userId: 'u1', passEndMs: endMs },
      { userId: 'u2', passEndMs: endMs },
      { userId: 'u3', passEndMs: Date.now() - 1 },
    ]);
    await buy(context, sale, ['u1', 'u3']);
    expect(await commands.lookAtRoom(sale, 60_000)).toMatchObject({ bought: 1, backlog: 2, sheds: false });
    const { roomEntered, roomBought, owners } = keys.sale(sale);
    expect(await redis.zrange(roomEntered, 0, '-1')).toEqual(['u2']);
    for (const key of [roomEntered, roomBought]) expect(await redis.pttl(key)).toBeGreaterThan(50_000);
    // Whose order is closed has bought all the same.
    await redis.hdel(owners, 'u1');
    expect(await commands.lookAtRoom(sale, 60_000)).toMatchObject({ bought: 1 });
    // A pass from before the clock was set back ends with those that begin now.
    for (const [key, user] of [
      [roomEntered, 'u2'],
      [roomBought, 'u1'],
    ] as const) {
      await redis.zadd(key, Date.now() + 3_600_000, user);
      await commands.lookAtRoom(sale, 60_000);
      expect(Number(await redis.zscore(key, user))).toBeLessThan(Date.now() + 62_000);
    }
    await commands.noteShedding(0, 5_000);
    expect(await commands.lookAtRoom(sale, 60_000)).toMatchObject({ sheds: true });
    await redis.del(keys.shedding(0));
  });
});
