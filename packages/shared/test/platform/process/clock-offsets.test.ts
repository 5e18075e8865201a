import { expect, onTestFinished, test } from 'vitest';
import { connectDb } from '../../../src/platform/mysql/client.ts';
import { clockOffset, clockOffsets, type ClockOffsetsDeps } from '../../../src/platform/process/clock-offsets.ts';
import { createMetrics } from '../../../src/platform/telemetry/metrics.ts';
import { testContext, type TestContext } from '../../../testing/support.ts';

const GOING_ON = new AbortController().signal;

const context = await testContext();

function openOffsets(deps: Partial<ClockOffsetsDeps> = {}) {
  const metrics = createMetrics('api');
  const rounds = clockOffsets({ commands: context.commands, db: context.db, shards: 1, metrics, ...deps });
  return async (): Promise<Record<string, number>> => {
    await rounds.round(GOING_ON);
    const { values } = await metrics.clockOffsetSeconds.get();
    return Object.fromEntries(values.map(({ labels, value }) => [labels.server, value]));
  };
}

test('a clock that steps while the process runs, or steps back, shows against both servers', async () => {
  let stepMs = 0;
  const offsets = openOffsets({ ownTime: () => Date.now() + stepMs });
  const expectAhead = async (seconds: number): Promise<void> => {
    const { redis, mysql } = await offsets();
    expect(redis).toBeCloseTo(seconds, 0);
    expect(mysql).toBeCloseTo(seconds, 0);
  };

  await expectAhead(0);
  stepMs = 60_000;
  await expectAhead(-60);
  stepMs = -60_000;
  await expectAhead(60);
  stepMs = 0;
  await expectAhead(0);
});

test('with several shards the largest offset is shown', async () => {
  const aheadMs = [1_000, -30_000, 20_000];
  const clock: TestContext['commands']['clock'] = async (shard) => {
    const { nowMs, historyId } = await context.commands.clock(0);
    return { nowMs: nowMs + aheadMs[shard]!, historyId };
  };
  const { redis } = await openOffsets({ commands: { clock }, shards: 3 })();
  expect(redis).toBeCloseTo(-30, 0);
});

test('a server that does not answer has no value; the other one keeps its own', async () => {
  let isAway = false;
  const clock: TestContext['commands']['clock'] = (shard) =>
    isAway ? Promise.reject(new Error('Connection is closed.')) : context.commands.clock(shard);
  const db = connectDb(context.config, 'general');
  onTestFinished(() => db.destroy().catch(() => undefined));
  const offsets = openOffsets({ commands: { clock }, db });
  expect(Object.keys(await offsets()).toSorted()).toEqual(['mysql', 'redis']);

  isAway = true;
  expect(Object.keys(await offsets())).toEqual(['mysql']);
  isAway = false;
  await db.destroy();
  expect(Object.keys(await offsets())).toEqual(['redis']);
});

test('a slow answer does not count as a wrong clock', async () => {
  let nowMs = 1_000;
  const answering = (serverMs: number) => async (): Promise<number> => {
    nowMs += 900;
    return serverMs;
  };
  const ownTime = (): number => nowMs;
  expect(await clockOffset(answering(1_450), ownTime)).toBe(0);
  expect(await clockOffset(answering(1_700), ownTime)).toBe(-200);
  expect(await clockOffset(answering(4_000), ownTime)).toBe(300);
});
