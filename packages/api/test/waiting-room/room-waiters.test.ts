import { expect, onTestFinished, test, vi } from 'vitest';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { openTestContext } from '@flash-sale/shared/testing/support.ts';
import { RoomReader } from '../../src/waiting-room/room-reader.ts';
import { RoomWaiters } from '../../src/waiting-room/room-waiters.ts';

test('a client that has gone before its poll begins to wait takes no place', async () => {
  const context = await openTestContext();
  onTestFinished(() => context.close());
  const { commands, keys, redis } = context;
  const metrics = createMetrics('api');
  const waits = vi.spyOn(metrics.roomWaiters, 'set');
  const waiters = new RoomWaiters({ rooms: new RoomReader({ commands }), subscriber: redis, keys, metrics });
  const sale = await context.openSale({ room: { opensAtMs: 1_000 } });
  await waiters.until(sale, { waitMs: 60_000, gone: AbortSignal.abort(), done: () => false });
  expect(waits).not.toHaveBeenCalled();
});
