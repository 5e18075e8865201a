import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ServerClock } from '../../src/client/server-clock.ts';
import type { SaleReading, SaleWatch } from '../../src/storefront/sale-watch.ts';
import { Waits } from '../../src/storefront/waits.ts';
import { createStore } from '../../src/ui/store.ts';

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('addEventListener', () => undefined);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it('a device that slept through the start buys within a second of waking, not when its old timer ends', async () => {
  const startMs = Date.UTC(2026, 10, 27, 20);
  const dateAt = (ms: number): string => new Date(ms).toUTCString();
  // The clock of a device that sleeps stands still, as its timers do.
  const clock = new ServerClock(() => performance.now());
  clock.learn(dateAt(startMs - 60_000), clock.local());
  const reading = createStore<SaleReading>({
    sale: { start_time: new Date(startMs).toISOString() } as SaleReading['sale'],
  });
  const waits = new Waits({ reading } as SaleWatch, clock);
  let isOver = false;
  const waiting = waits.untilStart(new AbortController().signal).then(() => (isOver = true));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(isOver).toBe(false);
  // It wakes after the start, and the page reads the sale.
  clock.learn(dateAt(startMs + 5_000), clock.local());
  await vi.advanceTimersByTimeAsync(1_000);
  expect(isOver).toBe(true);
  await waiting;
});
