import { expect, test } from 'vitest';
import { buy } from '@flash-sale/shared/testing/buying.ts';
import { testContext } from '@flash-sale/shared/testing/support.ts';
import { CLOSED_GATE } from '@flash-sale/shared/waiting-room/gate.ts';
import { EARLY_END, earlyPlace } from '@flash-sale/shared/waiting-room/place.ts';
import { readRoomFigures } from '../../src/waiting-room/room-figures.ts';
import { hasRoom } from '../../src/waiting-room/place-view.ts';
import { RoomReader } from '../../src/waiting-room/room-reader.ts';

const context = await testContext();

test('operators see who waits, who is inside and who was called, before the start and after it', async () => {
  const { commands, redis, keys, config } = context;
  const startMs = Date.now() + 3_600_000;
  const sale = await context.openSale({ startMs, endMs: startMs + 1_000, room: { opensAtMs: 1_000 } });
  if (!hasRoom(sale)) throw new Error('the sale has no room');
  await commands.loadRoom(sale, { isDrawn: false, late: 0, early: Buffer.alloc(0), gate: CLOSED_GATE });
  const figures = () => readRoomFigures({ config, commands, rooms: new RoomReader({ commands }) }, sale);
  await commands.joinRoom(
    sale,
    [10, 20, 30].map((slot) => ({ slot, shopper: slot })),
  );
  expect(await figures()).toEqual({ waiting: 3, inside: 0, called: 0 });

  await redis.hset(keys.sale(sale).state, 'start_ms', '1');
  await commands.joinRoom(sale, [{ slot: 1, shopper: 40 }]);
  const nowMs = Date.now();
  const calls = [{ atMs: nowMs, gate: earlyPlace(21), people: 2 }];
  await commands.publishGate(sale, { version: 1, gate: earlyPlace(21), calls, pacedMs: 0 }, true);
  expect(await figures()).toEqual({ waiting: 2, inside: 2, called: 2 });

  await commands.enterRoom(sale, [{ userId: 'a', passEndMs: nowMs + 60_000 }]);
  await buy(context, sale, ['a']);
  expect(await figures()).toEqual({ waiting: 2, inside: 1, called: 2 });
  const all = [{ atMs: nowMs, gate: EARLY_END + 1_000, people: 4 }];
  await commands.publishGate(sale, { version: 2, gate: EARLY_END + 1_000, calls: all, pacedMs: 0 }, true);
  expect(await figures()).toEqual({ waiting: 0, inside: 3, called: 4 });
});
