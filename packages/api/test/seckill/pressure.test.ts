import { pino } from 'pino';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { Redis } from 'ioredis';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { Pressure } from '../../src/seckill/pressure.ts';

const QUIET = { EVENT_LOOP_DELAY_MAX_MS: 60_000, SHARDS: 1 };

let context: TestContext;
const metrics = createMetrics('api');
const shown = async (reason: string) =>
  (await metrics.shedding.get()).values.find(({ labels }) => labels.reason === reason)?.value;

beforeAll(async () => {
  context = await openTestContext();
});
afterAll(() => context.close());

/**
 * The real Redis, except for its reported memory: this test must not change the limit of the shared
 * server.
 */
function withMemory(memory: { used: number; max: number }): Redis {
  return new Proxy(context.redis as Redis, {
    get: (redis, name) =>
      name === 'info'
        ? async () =>
            (await redis.info())
              .replace(/^used_memory:.*$/m, `used_memory:${memory.used}`)
              .replace(/^maxmemory:.*$/m, `maxmemory:${memory.max}`)
        : (Reflect.get(redis, name) as unknown),
  });
}

function pressureOf(config: typeof QUIET, redis: Redis): Pressure {
  return new Pressure({ config, redis, commands: context.commands, log: pino({ level: 'silent' }), metrics });
}

it('sheds while Redis uses more than its share of memory, and stops when there is room again', async () => {
  const memory = { used: 81, max: 100 };
  const pressure = pressureOf(QUIET, withMemory(memory));
  pressure.start();
  try {
    await vi.waitFor(() => expect(pressure.sheds).toBe(true), 5_000);
    expect([await shown('redis_memory'), await shown('event_loop')]).toEqual([1, 0]);
    // The gates of waiting rooms hear of it, and call nobody meanwhile.
    await expect.poll(() => context.redis.exists(context.keys.shedding(0))).toBe(1);
    memory.used = 79;
    await vi.waitFor(() => expect(pressure.sheds).toBe(false), 5_000);
    expect(await shown('redis_memory')).toBe(0);
  } finally {
    await pressure.stop();
  }
});

it('sheds while the event loop lags, and stops when it keeps up again', async () => {
  const pressure = pressureOf({ ...QUIET, EVENT_LOOP_DELAY_MAX_MS: 10 }, context.redis as Redis);
  pressure.start();
  let blocking = true;
  const block = (): void => {
    const untilMs = performance.now() + 100;
    while (performance.now() < untilMs);
    if (blocking) setImmediate(block);
  };
  block();
  try {
    await vi.waitFor(() => expect(pressure.sheds).toBe(true), 10_000);
    blocking = false;
    await vi.waitFor(() => expect(pressure.sheds).toBe(false), 10_000);
  } finally {
    blocking = false;
    await pressure.stop();
  }
});

it('does not shed if Redis has no memory limit', async () => {
  const redis = withMemory({ used: 1e12, max: 0 });
  const looked = vi.spyOn(context.redis as Redis, 'info');
  const pressure = pressureOf(QUIET, redis);
  pressure.start();
  try {
    await vi.waitFor(() => expect(looked.mock.calls.length).toBeGreaterThan(1), 5_000);
    expect(pressure.sheds).toBe(false);
  } finally {
    await pressure.stop();
  }
});
