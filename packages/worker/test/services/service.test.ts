import { describe, expect, onTestFinished, test } from 'vitest';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { testContext } from '@flash-sale/shared/testing/support.ts';
import { repeating, type Rounds, type Service } from '@flash-sale/shared/platform/process/service.ts';
import { forEachShard } from '../../src/services/service.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import { heldRounds, untilFinished } from '../rounds.ts';

const context = await testContext();

describe('a repeating service', () => {
  const service = (round: Rounds['round']): Service =>
    untilFinished(repeating({ name: 'tested', intervalMs: 5, round }, context.log));

  test('repeats rounds until it is stopped, and then does none', async () => {
    let rounds = 0;
    const counting = service(async () => void (rounds += 1));
    counting.start();
    await expect.poll(() => rounds, SOON).toBeGreaterThan(3);

    await counting.stop();

    const done = rounds;
    // Another service has time for several rounds; the stopped one does none in it.
    let others = 0;
    service(async () => void (others += 1)).start();
    await expect.poll(() => others, SOON).toBeGreaterThan(5);
    expect(rounds).toBe(done);
  });

  test('that is started twice does one round at a time', async () => {
    const { rounds, round } = heldRounds();
    const twice = service(round);

    twice.start();
    twice.start();

    expect(rounds.begun).toBe(1);
    rounds.release();
    await twice.stop();
  });

  test('stop waits for the present round, both times it is called', async () => {
    const { rounds, round } = heldRounds();
    const stopped = service(round);
    stopped.start();
    const ends = [stopped.stop(), stopped.stop()].map(async (end) => {
      await end;
      return rounds.ended;
    });

    rounds.release();

    expect(await Promise.all(ends)).toEqual([1, 1]);
    expect(rounds.begun).toBe(1);
  });

  test('that is stopped before it is started does nothing', async () => {
    let rounds = 0;
    const never = service(async () => void (rounds += 1));

    await never.stop();
    never.start();
    await never.stop();

    expect(rounds).toBe(0);
  });

  test('survives the errors of its rounds', async () => {
    let rounds = 0;
    const failing = service(async () => {
      rounds += 1;
      throw new Error(`round ${rounds}`);
    });

    failing.start();

    await expect.poll(() => rounds, SOON).toBeGreaterThan(2);
  });

  test('counts the rounds that fail, and clears its gauges', async () => {
    const metrics = createMetrics('worker');
    const failed = async () => (await metrics.roundsFailed.get()).values;
    let rests = 0;
    const round = async (): Promise<void> => {
      throw new Error('no server answers');
    };
    const rest = (): void => void (rests += 1);
    untilFinished(repeating({ name: 'tested', intervalMs: 5, round, rest }, context.log, metrics)).start();

    await expect.poll(async () => (await failed())[0]!.value, SOON).toBeGreaterThan(2);

    expect((await failed())[0]!.labels).toEqual({ service: 'tested' });
    expect(rests).toBeGreaterThan(2);
  });

  test('aborts the signal of a round when it is stopped', async () => {
    const told: boolean[] = [];
    const long = service(
      (stopping) =>
        new Promise((resolve) => {
          stopping.addEventListener('abort', () => {
            told.push(stopping.aborted);
            resolve();
          });
        }),
    );
    long.start();

    await long.stop();

    expect(told).toEqual([true]);
  });
});

describe('the services of every shard', () => {
  test('start when the shard has its first sale, and one that hangs delays no other', async () => {
    const rounds = new Map<number, number>();
    const hang = Promise.withResolvers<void>();
    onTestFinished(() => hang.resolve());
    const services = forEachShard(context, (shard) => [
      repeating(
        {
          name: 'tested',
          intervalMs: 5,
          async round() {
            if (shard === 0) await hang.promise;
            rounds.set(shard, (rounds.get(shard) ?? 0) + 1);
          },
        },
        context.log,
      ),
    ]);
    await context.insertSale({ shard: 0 });
    services.start();
    await context.insertSale({ shard: 5 });
    await expect.poll(() => rounds.get(5) ?? 0, SOON).toBeGreaterThan(3);
    expect(rounds.has(0)).toBe(false);

    hang.resolve();
    await services.stop();

    const done = new Map(rounds);
    await expect.poll(() => rounds.get(0)).toBeGreaterThan(0);
    expect(rounds).toEqual(done);
  });
});
