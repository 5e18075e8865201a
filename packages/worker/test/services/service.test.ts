import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { LedgerService } from '../../src/services/service-leads-table.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { repeating, type Rounds, type Service } from '@flash-sale/shared/platform/process/service.ts';
import { underLead, leadsInLedger, leadsInRedis, type LeadKeeper } from '../../src/services/lead.ts';
import { forEachShard } from '../../src/services/service.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';

let context: TestContext;
beforeAll(async () => {
  context = await openTestContext();
});
afterAll(() => context.close());

function untilFinished(service: Service): Service {
  onTestFinished(() => service.stop());
  return service;
}

/** Rounds that are counted, and that last until the test lets them end. */
function heldRounds() {
  const rounds = { begun: 0, ended: 0, release: (): void => undefined };
  const held = new Promise<void>((resolve) => {
    rounds.release = resolve;
  });
  const round = async (): Promise<void> => {
    rounds.begun += 1;
    await held;
    rounds.ended += 1;
  };
  return { rounds, round };
}

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

describe('a service that one process runs at a time', () => {
  /** The same service in several processes; `acted` names whose round each was. */
  function processes(service: string, names: readonly string[]) {
    const acted: string[] = [];
    const started = names.map((processName) =>
      untilFinished(
        underLead(
          { name: service, intervalMs: 10, round: async () => void acted.push(processName) },
          { leads: leadsInRedis(context.commands, 0), log: context.log, processName },
        ),
      ),
    );
    return { acted, started };
  }

  test('is run by the first, while the other waits for its turn', async () => {
    const { acted, started } = processes('one_acts', ['a', 'b']);
    started[0]!.start();
    await expect.poll(() => acted.length, SOON).toBeGreaterThan(0);
    let asked = 0;
    untilFinished(
      underLead(
        { name: 'one_acts_clock', intervalMs: 10, round: async () => void (asked += 1) },
        { leads: leadsInRedis(context.commands, 0), log: context.log, processName: 'clock' },
      ),
    ).start();

    started[1]!.start();

    await expect.poll(() => asked, SOON).toBeGreaterThan(10);
    expect(new Set(acted)).toEqual(new Set(['a']));
  });

  test('clears its gauges if another process runs it now', async () => {
    await context.commands.lead(0, 'told_elsewhere', 'other', 3_000);
    let rests = 0;
    let rounds = 0;
    const rest = (): void => void (rests += 1);
    const round = async (): Promise<void> => void (rounds += 1);
    const { commands, log } = context;
    const leads = leadsInRedis(commands, 0);
    untilFinished(
      underLead({ name: 'told_elsewhere', intervalMs: 5, round, rest }, { leads, log, processName: 'mine' }),
    ).start();

    await expect.poll(() => rests, SOON).toBeGreaterThan(2);
    expect(rounds).toBe(0);
  });

  test('moves at once when the process that ran it stops', async () => {
    const { acted, started } = processes('resigned', ['a', 'b']);
    started[0]!.start();
    await expect.poll(() => acted, SOON).toContain('a');
    started[1]!.start();

    await started[0]!.stop();

    // No process must wait for the three seconds of the lead.
    expect(await context.redis.get(context.keys.service(0, 'resigned'))).not.toBe('a');
    await expect.poll(() => acted, SOON).toContain('b');
  });

  test('moves within seconds when the process that ran it dies', async () => {
    // The state after a crash: a lead that is not renewed.
    expect(await context.commands.lead(0, 'widowed', 'dead', 3_000)).toBe(true);
    const { acted, started } = processes('widowed', ['b']);

    started[0]!.start();

    await expect.poll(() => acted, SOON).toContain('b');
  });

  test('is not affected by the stop of a process that does not run it', async () => {
    const { acted, started } = processes('in_charge', ['a', 'b']);
    started[0]!.start();
    await expect.poll(() => acted, SOON).toContain('a');
    started[1]!.start();

    await started[1]!.stop();

    expect(await context.redis.get(context.keys.service(0, 'in_charge'))).toBe('a');
  });
});

/** Where leads are kept; each test has services of its own. */
const keepers: [string, () => LeadKeeper<LedgerService>][] = [
  ['Redis', () => leadsInRedis(context.commands, 0)],
  ['MySQL', () => leadsInLedger(context.db)],
];

describe.each(keepers)('a lead that is kept in %s', (_where, open) => {
  const LIFE_MS = 3_000;

  test('belongs to one process at a time, is renewed by it, and is free after it resigns', async () => {
    const leads = open();
    expect(await leads.take('expiry', 'a', LIFE_MS)).toBe(true);
    expect(await leads.take('expiry', 'b', LIFE_MS)).toBe(false);
    expect(await leads.take('expiry', 'a', LIFE_MS)).toBe(true);
    // Another process's lead is not given up.
    await leads.resign('expiry', 'b');
    expect(await leads.take('expiry', 'b', LIFE_MS)).toBe(false);
    await leads.resign('expiry', 'a');
    expect(await leads.take('expiry', 'b', LIFE_MS)).toBe(true);
  });

  test('of each service is separate from the others', async () => {
    const leads = open();
    const services = ['expiry', 'due_payments', 'payment_calls', 'order_events', 'retention'] as const;
    for (const service of services) await leads.resign(service, 'b');
    for (const service of services) expect(await leads.take(service, `of ${service}`, LIFE_MS)).toBe(true);
    for (const service of services) await leads.resign(service, `of ${service}`);
  });

  test('ends with its life if it is not renewed', async () => {
    const leads = open();
    expect(await leads.take('retention', 'dead', 200)).toBe(true);
    await expect.poll(() => leads.take('retention', 'b', LIFE_MS), SOON).toBe(true);
    await leads.resign('retention', 'b');
  });
});

test('a lead in MySQL with a time far in the future, after the clock was set back, can be taken', async () => {
  const leads = leadsInLedger(context.db);
  await leads.take('expiry', 'early', 3_000);
  await sql`UPDATE service_leads SET leads_until = UTC_TIMESTAMP(3) + INTERVAL 1 HOUR`.execute(context.db);
  expect(await leads.take('expiry', 'now', 3_000)).toBe(true);
  expect(await leads.take('expiry', 'early', 3_000)).toBe(false);
  await leads.resign('expiry', 'now');
});

describe('a process that leads', () => {
  const open = (name: string, processName: string, round: Rounds['round']): Service =>
    untilFinished(
      underLead(
        { name, intervalMs: 10, round },
        { leads: leadsInRedis(context.commands, 0), log: context.log, processName },
      ),
    );

  test('gives up the lead if its round fails, so that another does the work', async () => {
    let failed = 0;
    open('poisoned', 'ill', async () => {
      failed += 1;
      throw new Error('only in this process');
    }).start();
    await expect.poll(() => failed, SOON).toBeGreaterThan(0);
    let done = 0;
    open('poisoned', 'well', async () => void (done += 1)).start();
    await expect.poll(() => done, SOON).toBeGreaterThan(10);
    expect(await context.redis.get(context.keys.service(0, 'poisoned'))).toBe('well');
  });

  test('keeps the lead while a round takes longer than the lead’s life', async () => {
    const { rounds, round } = heldRounds();
    open('long_round', 'patient', round).start();
    let others = 0;
    open('long_round', 'other', async () => void (others += 1)).start();
    await expect.poll(() => rounds.begun, SOON).toBe(1);
    const begunMs = performance.now();
    await expect.poll(() => performance.now() - begunMs, SOON).toBeGreaterThan(4_000);
    expect(await context.redis.get(context.keys.service(0, 'long_round'))).toBe('patient');
    rounds.release();
    await expect.poll(() => rounds.ended, SOON).toBeGreaterThan(0);
    expect(others).toBe(0);
  });

  test('aborts its round’s signal when another process has the lead', async () => {
    const told = Promise.withResolvers<void>();
    open('taken_away', 'loser', async (stopping) => {
      if (stopping.aborted) told.resolve();
      await new Promise<void>((resolve) => stopping.addEventListener('abort', () => resolve()));
      told.resolve();
    }).start();
    const key = context.keys.service(0, 'taken_away');
    await expect.poll(() => context.redis.get(key), SOON).toBe('loser');
    await context.redis.set(key, 'winner', 'PX', 60_000);
    await told.promise;
    expect(await context.redis.get(key)).toBe('winner');
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
