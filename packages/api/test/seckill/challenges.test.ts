import { solveChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/sha';
import type { Challenge } from 'altcha-lib/types';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { loseToken } from '@flash-sale/shared/testing/buying.ts';
import { AS_OPERATOR, openApp, openTestContext, type TestApp, type TestContext } from '../../testing/support.ts';

let context: TestContext;
let app: TestApp;
/** Another api process of the same service. */
let other: TestApp;
let sale: Sale;

beforeAll(async () => {
  context = await openTestContext({ CHALLENGE_BITS: '6' });
  [app, other] = [await openApp(context), await openApp(context)];
  sale = await context.openSale({ seckillStock: 1_000 });
});

afterAll(async () => {
  await app.close();
  await other.close();
  await context.close();
});

afterEach(() => {
  vi.useRealTimers();
});

const challengeOf = async (userId: string, of: Sale = sale, from = app): Promise<Challenge> => {
  const answer = await from.get(`/api/v1/seckill/challenge?user_id=${userId}&product_id=${of.id}`);
  expect(answer.statusCode).toBe(200);
  return answer.json();
};
const encode = (payload: unknown) => Buffer.from(JSON.stringify(payload)).toString('base64');
const solutionOf = async (challenge: Challenge) => {
  const solution = await solveChallenge({ challenge, deriveKey });
  return { challenge, solution: solution! };
};
const solve = async (userId: string) => encode(await solutionOf(await challengeOf(userId)));
const ask = (userId: string, solution?: string, from = app, of: Sale = sale) =>
  from.post('/api/v1/seckill/token', {
    user_id: userId,
    product_id: of.id,
    ...(solution === undefined ? {} : { solution }),
  });
/** Has the shopper's seckill token expire. */
const expireToken = (userId: string) => loseToken(context, sale, userId);

describe('if work is required for a seckill token', () => {
  it('is challenge_required without a solution, and a seckill token with one', async () => {
    expect(await ask('ann')).toBeProblem('challenge_required');
    const answer = await ask('ann', await solve('ann'));
    expect(answer.statusCode).toBe(200);
    const { token } = answer.json<{ token: string }>();
    expect((await app.buy(sale, 'ann', token)).statusCode).toBe(202);
  });

  it('accepts a solution with the longest possible id, with all of its characters escaped', async () => {
    const user = '"'.repeat(255);
    const answer = await ask(user, await solve(user));
    expect([answer.statusCode, answer.body]).toEqual([200, expect.stringContaining('"token"')]);
  });

  it('accepts a solution on another api process than the one that issued the challenge', async () => {
    expect((await ask('bea', await solve('bea'), other)).statusCode).toBe(200);
  });

  it('returns the same seckill token for the same solution, for a shopper who lost the answer', async () => {
    const solution = await solve('cyd');
    const first = await ask('cyd', solution);
    expect((await ask('cyd', solution, other)).json()).toEqual(first.json());
  });

  it.each<[string, (userId: string) => Promise<string>]>([
    ['what is no base64', async () => '\u00a1'],
    ['what is no JSON', async () => Buffer.from('nope').toString('base64')],
    ['null', async () => encode(null)],
    ['an empty object', async () => encode({})],
    ['a challenge without parameters', async () => encode({ challenge: {}, solution: {} })],
    ['an unsolved challenge', async (userId) => encode({ challenge: await challengeOf(userId) })],
    [
      'a made-up solution',
      async (userId) => encode({ challenge: await challengeOf(userId), solution: { counter: 1, derivedKey: '00' } }),
    ],
    [
      'a solution of another counter',
      async (userId) => {
        const { challenge, solution } = await solutionOf(await challengeOf(userId));
        return encode({ challenge, solution: { ...solution, counter: solution.counter + 1 } });
      },
    ],
    [
      'an easier challenge of the caller’s own making',
      async (userId) => {
        const { parameters, signature } = await challengeOf(userId);
        const challenge = { parameters: { ...parameters, keyPrefix: '0', cost: 1 }, signature: signature! };
        return encode(await solutionOf(challenge));
      },
    ],
    [
      'a challenge that lives longer than it was given',
      async (userId) => {
        const { parameters, signature } = await challengeOf(userId);
        const challenge = {
          parameters: { ...parameters, expiresAt: parameters.expiresAt! + 1 },
          signature: signature!,
        };
        return encode(await solutionOf(challenge));
      },
    ],
    [
      'a challenge without a signature',
      async (userId) => {
        const { parameters } = await challengeOf(userId);
        return encode(await solutionOf({ parameters }));
      },
    ],
    ['the solution of another shopper', async () => solve('somebody-else')],
    [
      'the solution of another sale',
      async (userId) => encode(await solutionOf(await challengeOf(userId, await context.openSale()))),
    ],
  ])('refuses %s', async (_what, solution) => {
    expect(await ask('mallory', await solution('mallory'))).toBeProblem('challenge_required');
  });

  it('refuses a solution after two minutes', async () => {
    const solution = await solve('dot');
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 121_000 });
    expect(await ask('dot', solution)).toBeProblem('challenge_required');
  });
});

it('after a rotation of the token secrets every api process still accepts challenges of another, of any age', async () => {
  const own = await openTestContext({ CHALLENGE_BITS: '4', TOKEN_SECRETS: '' });
  const apps = [await openApp(own, { TOKEN_SECRETS: '' })];
  try {
    const [old] = apps as [TestApp];
    const its = await own.openSale();
    const begun = encode(await solutionOf(await challengeOf('before', its, old)));
    const rotated = await old.post('/api/v1/admin/token-secrets/rotate', undefined, AS_OPERATOR);
    const { key_id: keyId } = rotated.json<{ key_id: string }>();
    const signsWithNew = async (): Promise<boolean> =>
      old.deps.tokens.sign({ userId: 'any', saleId: its.id }, 0).startsWith(keyId);
    await expect.poll(signsWithNew, { timeout: 10_000 }).toBe(true);

    // A deploy after the rotation.
    const fresh = await openApp(own, { TOKEN_SECRETS: '' });
    apps.push(fresh);
    const ofFresh = encode(await solutionOf(await challengeOf('ann', its, fresh)));
    expect((await ask('ann', ofFresh, old, its)).statusCode).toBe(200);
    const ofOld = encode(await solutionOf(await challengeOf('bea', its, old)));
    expect((await ask('bea', ofOld, fresh, its)).statusCode).toBe(200);
    expect((await ask('before', begun, fresh, its)).statusCode).toBe(200);
  } finally {
    await Promise.all(apps.map((one) => one.close()));
    await own.close();
  }
}, 30_000);

describe('attack: a solution is replayed', () => {
  it('buys no second seckill token, on any api process', async () => {
    const solution = await solve('eve');
    expect((await ask('eve', solution)).statusCode).toBe(200);
    await expireToken('eve');
    expect(await ask('eve', solution)).toBeProblem('challenge_required');
    expect(await ask('eve', solution, other)).toBeProblem('challenge_required');
    // Written differently it is the same one.
    const payload = JSON.parse(Buffer.from(solution, 'base64').toString()) as { challenge: Challenge };
    const parameters = Object.fromEntries(Object.entries(payload.challenge.parameters).toReversed());
    const rewritten = encode({ ...payload, challenge: { ...payload.challenge, parameters } });
    expect(await ask('eve', rewritten, other)).toBeProblem('challenge_required');
  });

  it('buys one seckill token when it is sent many times at once', async () => {
    const solution = await solve('fay');
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => ask('fay', solution, i % 2 ? app : other)));
    expect(new Set(answers.map(({ body }) => body)).size).toBe(1);
  });
});

describe('the work', () => {
  it('grows with the number of requests, and shrinks again', async () => {
    const busy = await openApp(context, {}, { bounds: { challengesRaisePerSecond: 10 } });
    vi.useFakeTimers({ toFake: ['performance'], now: 0 });
    const bitsOf = ({ parameters: { keyPrefix, cost } }: Challenge) => keyPrefix.length * 4 + Math.log2(cost);
    const inThisSecond = async (count: number) => {
      let bits = 0;
      for (let i = 0; i < count; i += 1) bits = bitsOf(await challengeOf(`u${i}`, sale, busy));
      vi.advanceTimersByTime(1_000);
      return bits;
    };
    try {
      vi.advanceTimersByTime(5_000);
      expect(await inThisSecond(10)).toBe(6);
      expect(await inThisSecond(41)).toBe(6);
      // 41 a second were three doublings, begun ones counted.
      expect(await inThisSecond(1)).toBe(9);
      expect(await inThisSecond(1)).toBe(6);
    } finally {
      vi.useRealTimers();
      await busy.close();
    }
  });

  it('is not required if it is not configured', async () => {
    const open = await openApp(context, { CHALLENGE_BITS: '0' });
    try {
      expect((await ask('gus', undefined, open)).statusCode).toBe(200);
      expect((await ask('hal', 'ignored', open)).statusCode).toBe(200);
      expect(await open.get(`/api/v1/seckill/challenge?user_id=gus&product_id=${sale.id}`)).toBeProblem('not_found');
    } finally {
      await open.close();
    }
  });
});
