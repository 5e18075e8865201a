import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import type { Commands } from '@flash-sale/shared/commands.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { rebuildSale } from '@flash-sale/shared/reconciliation/rebuild.ts';
import { findSale, updatePaused, type NewSale } from '@flash-sale/shared/sale/products-table.ts';
import type { SaleWithTexts } from '@flash-sale/shared/sale/sale.ts';
import { SaleList } from '@flash-sale/shared/sale/sale-list.ts';
import { buy, takeLease } from '@flash-sale/shared/testing/buying.ts';
import { openTestContext } from '@flash-sale/shared/testing/support.ts';
import { EarlyLine } from '@flash-sale/shared/waiting-room/early-line.ts';
import { nextGate } from '@flash-sale/shared/waiting-room/gate.ts';
import {
  moveGate,
  readGates,
  readSavedEarly,
  updateAdmitPerSecond,
} from '@flash-sale/shared/waiting-room/gates-table.ts';
import { earlyPlace, EARLY_END } from '@flash-sale/shared/waiting-room/place.ts';
import { secretsOf } from '@flash-sale/shared/waiting-room/room-secrets.ts';
import { gate } from '../../src/services/gate.ts';

const GOING_ON = new AbortController().signal;
const CONFIG = {
  PASS_SECONDS: 3_600,
  PASSES_PER_UNIT: 2,
  BACKLOG_MAX: 1_000,
  RATE_LIMIT_GLOBAL_PER_SECOND: 10_000,
  SHARDS: 1,
};
const LATE = { startMs: Date.now() - 60_000, room: { opensAtMs: 1_000 } };

afterEach(() => {
  vi.restoreAllMocks();
});

// A context for each test: a round works on every sale in it.
async function openGate(config: Partial<typeof CONFIG> = {}) {
  const context = await openTestContext();
  onTestFinished(() => context.close());
  const { commands, db, log } = context;
  const metrics = createMetrics('worker');
  const newGate = () =>
    gate({ shard: 0, commands, db, sales: new SaleList(db, log), config: { ...CONFIG, ...config }, log, metrics });
  const rounds = newGate();
  const joinLate = async (sale: SaleWithTexts, count: number, from = 0): Promise<void> => {
    const items = Array.from({ length: count }, (_, i) => ({ slot: 0, shopper: from + i }));
    const joins = await commands.joinRoom(sale, items);
    expect(joins.map(({ outcome }) => outcome)).toEqual(joins.map(() => 'joined'));
  };
  return {
    context,
    metrics,
    newGate,
    round: () => rounds.round(GOING_ON),
    joinLate,
    /** A sale with a loaded room, whose early line is fixed: nobody joined before the start. */
    openRoom: async (fields: Partial<NewSale> = {}): Promise<SaleWithTexts> => {
      const sale = await context.openSale({ ...LATE, ...fields });
      await expect
        .poll(async () => {
          await rounds.round(GOING_ON);
          return (await findSale(db, sale.id))?.room?.isDrawn;
        })
        .toBe(true);
      return sale;
    },
    /** How many late shoppers are called. */
    called: async (sale: SaleWithTexts): Promise<number> => ((await commands.readRoom(sale)).gate - EARLY_END) / 1_000,
    rowOf: async (sale: SaleWithTexts) => (await readGates(db, [sale.id])).get(sale.id)!,
  };
}

test('shoppers who joined before the start are called in the order of the draw, after the start, when the line is fixed', async () => {
  const { context, round, rowOf } = await openGate();
  const { commands, db } = context;
  const startMs = Date.now() + 5_000;
  const sale = await context.openSale({ seckillStock: 5, startMs, room: { opensAtMs: 1_000 } });
  await round();
  const users = Array.from({ length: 400 }, (_, i) => `u${i}`);
  const slots = new Map(users.map((user) => [user, secretsOf(sale.room!).draw(user).slot]));
  const items = [...slots.values()].map((slot) => ({ slot, shopper: 1 }));
  const joins = await commands.joinRoom(sale, items);
  expect(new Set(joins.map((join) => join.outcome === 'joined' && join.joined))).toEqual(new Set(['early']));
  await round();
  expect(await commands.readRoom(sale)).toMatchObject({ isDrawn: false, gate: 0 });

  await expect
    .poll(async () => {
      await round();
      return (await commands.readRoom(sale)).gate;
    })
    .toBeGreaterThan(0);

  const { gate: reached, calls } = await commands.readRoom(sale);
  const inOrder = users.toSorted((a, b) => slots.get(a)! - slots.get(b)!);
  const called = inOrder.filter((user) => earlyPlace(slots.get(user)!) < reached);
  expect(called).toEqual(inOrder.slice(0, 10));
  expect(calls).toHaveLength(1);
  expect(await rowOf(sale)).toMatchObject({ gate: { version: 1, gate: reached }, isDrawn: true });
  expect(new EarlyLine(await readSavedEarly(db, sale.id)).size).toBeCloseTo(400, -1);
});

test('the early line is saved while it grows, so that a Redis that loses it gets it back', async () => {
  const { context, round, newGate } = await openGate();
  const { commands, redis, keys } = context;
  const startMs = Date.now() + 3_600_000;
  const sale = await context.openSale({ startMs, endMs: startMs + 1_000, room: { opensAtMs: 1_000 } });
  await round();
  await commands.joinRoom(sale, [{ slot: 9, shopper: 9 }]);
  await round();
  const { room, roomEarly } = keys.sale(sale);
  await redis.del(room, roomEarly);
  await newGate().round(GOING_ON);
  expect(new EarlyLine(await commands.readEarly(sale)).before(10)).toBeCloseTo(1, 3);
});

test('at most two shoppers for each free unit are inside; a buy makes room, and a unit that comes back calls the next shopper', async () => {
  const { context, round, openRoom, joinLate, called } = await openGate();
  const { commands } = context;
  const sale = await openRoom({ seckillStock: 3 });
  await joinLate(sale, 50);
  await round();
  expect(await called(sale)).toBe(6);
  await round();
  expect(await called(sale)).toBe(6);

  await commands.enterRoom(
    sale,
    ['a', 'b', 'c'].map((userId) => ({ userId, passEndMs: Date.now() + 3_600_000 })),
  );
  const owners = await buy(context, sale, ['a', 'b', 'c']);
  await round();
  // Nothing is left, and three who were called have not bought.
  expect(await called(sale)).toBe(6);
  const lease = await takeLease(context, sale);
  await commands.giveBack(sale, lease, owners);
  await round();
  // Three units, six passes, and three inside: who gave a unit back is not inside again.
  expect(await called(sale)).toBe(9);
});

test('when passes end, other shoppers are called', async () => {
  const { round, openRoom, joinLate, called } = await openGate({ PASS_SECONDS: 1 });
  const sale = await openRoom({ seckillStock: 1 });
  await joinLate(sale, 7);
  await expect
    .poll(
      async () => {
        await round();
        return called(sale);
      },
      { timeout: 15_000 },
    )
    .toBe(7);
});

test('two gates at once, and one that dies between MySQL and Redis, call nobody twice', async () => {
  const { context, newGate, round, openRoom, joinLate, called, rowOf } = await openGate();
  const { commands, db } = context;
  const sale = await openRoom({ seckillStock: 5 });
  await joinLate(sale, 100);
  const gates = [newGate(), newGate(), newGate()];
  await Promise.all(gates.map((one) => one.round(GOING_ON)));
  expect(await called(sale)).toBe(10);
  expect((await rowOf(sale)).gate).toMatchObject({ version: 1, calls: [{ people: 10 }] });

  // One commits a call and dies before Redis learns of it.
  const { gate: known } = await rowOf(sale);
  const view = { nowMs: Date.now(), available: 8, bought: 0, late: 100_000, admitPerSecond: 1_000 };
  const next = nextGate(known, new EarlyLine(Buffer.alloc(0)), view, { passMs: 3_600_000, passesPerUnit: 2 })!;
  expect(await moveGate(db, sale.id, next)).toBe(true);
  expect(await called(sale)).toBe(10);
  await round();
  expect(await commands.readRoom(sale)).toMatchObject({ version: 2, gate: next.gate });
});

test('a Redis that lost everything has the same gate again, and nobody who was called is sent back', async () => {
  const { context, newGate, round, openRoom, joinLate, called, rowOf } = await openGate();
  const { commands, redis, keys, db } = context;
  const sale = await openRoom({ seckillStock: 5 });
  await joinLate(sale, 100);
  await round();
  await round();
  const before = await rowOf(sale);
  await redis.del(...Object.values(keys.sale(sale)));
  await rebuildSale({ commands, db }, sale, 5_000);
  expect(await commands.readRoom(sale)).toMatchObject({ isLoaded: false });

  const other = newGate();
  for (let i = 0; i < 3; i += 1) await other.round(GOING_ON);

  expect(await called(sale)).toBe(10);
  expect(await rowOf(sale)).toEqual(before);
  expect(await commands.readRoom(sale)).toMatchObject({ isLoaded: true, isDrawn: true, late: 100_000 });
  // Who joins now stands behind all who joined before.
  await joinLate(sale, 1, 200);
  expect((await commands.readRoom(sale)).late).toBe(101_000);
});

test('nobody is called while the sale is paused, a process sheds, or orders pile up; then the line goes on', async () => {
  const { context, round, openRoom, joinLate, called } = await openGate({ BACKLOG_MAX: 4 });
  const { commands, db, redis, keys } = context;
  const sale = await openRoom({ seckillStock: 20 });
  await joinLate(sale, 100);
  const { pauseVersion } = (await updatePaused(db, sale.id, true))!;
  await commands.setPause(sale, pauseVersion, true);
  await round();
  expect(await called(sale)).toBeLessThanOrEqual(0);
  await commands.setPause(sale, pauseVersion + 1, false);
  await commands.noteShedding(0, 60_000);
  await round();
  expect(await called(sale)).toBeLessThanOrEqual(0);
  await redis.del(keys.shedding(0));
  await buy(context, sale, ['a', 'b', 'c']);
  await round();
  expect(await called(sale)).toBeLessThanOrEqual(0);
  await redis.hset(keys.sale(sale).state, 'backlog', '0');
  await round();
  expect(await called(sale)).toBe(34);
});

test('a new rate holds from the next call on', async () => {
  const { context, round, openRoom, joinLate, called } = await openGate();
  const sale = await openRoom({ seckillStock: 1_000, room: { opensAtMs: 1_000, admitPerSecond: 20 } });
  await joinLate(sale, 500);
  await round();
  expect(await called(sale)).toBe(10);
  await updateAdmitPerSecond(context.db, sale.id, 400);
  await expect
    .poll(async () => {
      await round();
      return called(sale);
    })
    .toBeGreaterThan(100);
});

test('a sold-out room says whether units may come back', async () => {
  const { context, round, openRoom, newGate } = await openGate();
  const { commands, redis, keys } = context;
  const sale = await openRoom({ seckillStock: 1 });
  await buy(context, sale, ['a']);
  await round();
  expect(await commands.readRoom(sale)).toMatchObject({ available: 0, mayReturn: true });
  // Once nothing of the sale is open in the ledger or on its way to it.
  await redis.hset(keys.sale(sale).state, 'backlog', '0');
  await newGate().round(GOING_ON);
  expect(await commands.readRoom(sale)).toMatchObject({ available: 0, mayReturn: false });
});

test('a sale without a room causes no call of the gate', async () => {
  const { context, newGate } = await openGate();
  await context.openSale();
  const { log, db, metrics } = context;
  const untouchable = new Proxy({} as Commands, {
    get: () => {
      throw new Error('the gate asked Redis');
    },
  });
  const idle = gate({
    shard: 0,
    commands: untouchable,
    db,
    sales: new SaleList(db, log),
    config: CONFIG,
    log,
    metrics,
  });
  expect(await idle.round(GOING_ON)).toBeGreaterThan(250);
  expect(newGate().name).toBe('gate');
});
