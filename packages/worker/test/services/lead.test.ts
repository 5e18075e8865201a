import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import type { LedgerService } from '../../src/services/service-leads-table.ts';
import { testContext } from '@flash-sale/shared/testing/support.ts';
import type { Rounds, Service } from '@flash-sale/shared/platform/process/service.ts';
import { underLead, leadsInLedger, leadsInRedis, type LeadKeeper } from '../../src/services/lead.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import { heldRounds, untilFinished } from '../rounds.ts';

const context = await testContext();

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
