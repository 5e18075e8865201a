import { describe, expect, test, vi } from 'vitest';
import type { Sale } from '../../src/sale/sale.ts';
import { newAttempt, newItem, recordToken, send, snapshot, takeLease } from '../../testing/buying.ts';
import { testContext } from '../../testing/support.ts';

const context = await testContext();

type Sent = (string | number)[];
type Script = (...sent: Sent) => Promise<unknown>;

/**
 * Does `call`, and returns what its script was sent, so that it can be sent again as the driver
 * does.
 */
async function sentBy(script: string, call: () => Promise<unknown>): Promise<{ run: Script; sent: Sent }> {
  const scripts = context.redis as unknown as Record<string, Script>;
  const run = scripts[script]!.bind(context.redis);
  const spy = vi.spyOn(scripts, script);
  try {
    await call();
    return { run, sent: spy.mock.calls.at(-1)! };
  } finally {
    spy.mockRestore();
  }
}

/**
 * The place of the deadline, and of the history before it, behind the number of keys and the keys.
 */
const deadlineAt = (sent: Sent): number => Number(sent[0]) + 2;
const pass = async (deadlineMs: number): Promise<void> => {
  await expect
    .poll(async () => (await context.commands.clock(0)).nowMs, { timeout: 10_000 })
    .toBeGreaterThan(deadlineMs);
};

test('a seckill token stays consumed if its call is sent again after its order was cancelled: the same buy was accepted a second time', async () => {
  const sale = await context.openSale();
  const token = 'signed by the api';
  const { run, sent } = await sentBy('issue_tokens', () =>
    recordToken(context, sale, 'u1', token, { lifeMs: 600_000 }),
  );
  const attempt = await newAttempt(context, sale, []);
  const item = await newItem(context, sale, 'u1', { token });
  expect(await send(context, { ...attempt, items: [item] })).toEqual([{ outcome: 'accepted' }]);
  const lease = await takeLease(context, sale);
  expect(await context.commands.giveBack(sale, lease, [item])).toBe(1);

  await pass(Number(sent[deadlineAt(sent)]));
  expect(await run(...sent)).toBe('late');
  const again = await newItem(context, sale, 'u1', { token });
  const next = await newAttempt(context, sale, []);
  expect(await send(context, { ...next, items: [again] })).toEqual([{ outcome: 'token_invalid' }]);
});

const CALLS: [string, string, (sale: Sale) => Promise<unknown>, unknown][] = [
  ['issueTokens', 'issue_tokens', (sale) => recordToken(context, sale, 'u1', 'token', { lifeMs: 60_000 }), 'late'],
  [
    'issueTokens for a challenge',
    'issue_tokens',
    (sale) => {
      const challenge = { id: `challenge-${sale.id}`, lifeMs: 60_000 };
      return recordToken(context, sale, 'u1', 'token', { lifeMs: 60_000, challenge });
    },
    'late',
  ],
  [
    'acquireLease',
    'acquire_lease',
    (sale) => context.commands.acquireLease(sale, 'me', { lifeMs: 60_000, waitMs: 300, mayBeNew: true }),
    -1,
  ],
  ['lead', 'lead', (sale) => context.commands.lead(0, `service-${sale.id}`, 'me', 60_000), -1],
];

describe.each(CALLS)('%s', (_, script, call, late) => {
  test('that comes after its deadline, or in another history of Redis, changes nothing', async () => {
    const sale = await context.openSale();
    const before = await snapshot(context, sale);
    const { run, sent } = await sentBy(script, () => call(sale));
    expect(await snapshot(context, sale)).not.toEqual(before);
    const made = Object.keys(await snapshot(context, sale)).filter((name) => !(name in before));
    await context.redis.del('nothing', ...made);
    const { lease, fence } = context.keys.sale(sale);
    await context.redis.del(lease);
    const [at, counter] = [deadlineAt(sent), await context.redis.get(fence)];
    const clean = await snapshot(context, sale);

    expect(await run(...sent.with(at, Number(sent[at]) - 60_000))).toBe(late);
    expect(await run(...sent.with(at - 1, 'f'.repeat(40)))).toBe(late);
    expect(await snapshot(context, sale)).toEqual(clean);
    expect(await context.redis.get(fence)).toBe(counter);
    // In time it is done.
    expect(await run(...sent)).not.toBe(late);
  });

  test('that was late once is sent again with the present time', async () => {
    const [sale, other] = [await context.openSale(), await context.openSale()];
    const scripts = context.redis as unknown as Record<string, Script>;
    const run = scripts[script]!.bind(context.redis);
    const spy = vi.spyOn(scripts, script);
    spy.mockImplementationOnce((...sent) => run(...sent.with(deadlineAt(sent), 1)));
    try {
      expect(await call(sale)).toBeTruthy();
      expect(spy).toHaveBeenCalledTimes(2);
      spy.mockImplementation((...sent) => run(...sent.with(deadlineAt(sent), 1)));
      await expect(call(other)).rejects.toThrow('too late');
    } finally {
      spy.mockRestore();
    }
  });
});
