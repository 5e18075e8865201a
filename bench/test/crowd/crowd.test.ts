import { afterAll, beforeAll, describe, expect, it, type onTestFinished } from 'vitest';
import { startService, type Service } from '@flash-sale/api/testing/service.ts';
import { openTestContext, OPERATOR_TOKEN, type TestContext } from '@flash-sale/api/testing/support.ts';
import { runProgram, type Ran } from '@flash-sale/shared/testing/program.ts';
import { crowdCommand } from '../../crowd/command.ts';

const VIEWER_TOKEN = 'a-token-that-may-only-read';
/** Longer than a payment takes here. */
const HOPE_MS = 1_000;
const JWT_SECRET = 'a-secret-of-at-least-thirty-two-bytes';

let context: TestContext;
let trusting: Service;

beforeAll(async () => {
  context = await openTestContext({ VIEWER_TOKEN });
  trusting = await startService(context, { apis: 1, workers: 1 });
}, 120_000);

afterAll(async () => {
  await trusting?.stop();
  await context?.close();
}, 60_000);

type Run = (args: string, env?: Readonly<Record<string, string>>, service?: Service) => Promise<Ran>;

const envOf = (service: Service, env: Readonly<Record<string, string>>) => ({
  SERVER_PORT: service.url.port,
  ADMIN_TOKEN: OPERATOR_TOKEN,
  ...env,
});

/** Runs a crowd in this process: to start one for each crowd takes half a second of CPU. */
const crowd: Run = async (args, env = {}, service = trusting) => {
  let [said, complained] = ['', ''];
  const output = {
    print: (line: string) => void (said += `${line}\n`),
    complain: (line: string) => void (complained += `${line}\n`),
  };
  const code = await crowdCommand(args.split(' '), envOf(service, env), output, new AbortController().signal, HOPE_MS);
  return { said, complained, code };
};

/** Runs a crowd as an operator does. */
const crowdProcess = (args: string, whenFinished: typeof onTestFinished): Promise<Ran> =>
  runProgram(['bench/crowd/main.ts', ...args.split(' ')], envOf(trusting, {}), whenFinished);

const saleOf = (said: string): number => Number(/^\d+ shoppers, sale (\d+) /m.exec(said)![1]);

async function ordersOf(saleId: number): Promise<Record<string, number>> {
  const rows = await context.db
    .selectFrom('orders')
    .select((e) => ['status', e.fn.countAll<number>().as('orders')])
    .where('product_id', '=', saleId)
    .groupBy('status')
    .execute();
  return Object.fromEntries(rows.map(({ status, orders }) => [status, orders]));
}

// At once: they mostly wait for the start of their sale, and for their crowd to come.
describe.concurrent('npm run crowd', () => {
  it('buys out a sale that it opens, half of it before the start, and shows who got what', async ({
    onTestFinished,
  }) => {
    const { said, complained, code } = await crowdProcess(
      '--shoppers 60 --units 20 --over 2s --pay 1 --double-click 0.5',
      onTestFinished,
    );
    expect({ complained, code }, said).toEqual({ complained: '', code: 0 });
    expect(said).toMatch(/^60 shoppers, sale \d+ \(Crowd of 60, 20 units\)$/m);
    expect(said).toMatch(/^ +time +arrived +here +ordered +paid /m);
    expect(said).toMatch(/^paid +20$/m);
    expect(said).toMatch(/^sold out +40$/m);
    // A busy service may refuse some calls at first, and the answers to retries count too.
    const [, answers] = /^seckill token +(\d+) +\d+ ms +\d+ ms +\d+ ms$/m.exec(said) ?? [];
    expect(Number(answers), said).toBeGreaterThanOrEqual(60);
    expect(said).toMatch(/^sale \d+: 20 sold \+ 0 left = 20 units$/m);
    expect(said).toMatch(/^the sums of the sale are correct$/m);
    expect(await ordersOf(saleOf(said))).toEqual({ paid: 20 });
  }, 60_000);

  it('waits in the waiting room of a sale that has one, and buys when called', async () => {
    const { said, complained, code } = await crowd('--shoppers 60 --units 20 --over 4s --pay 1 --room');
    expect({ complained, code }, said).toEqual({ complained: '', code: 0 });
    expect(said).toMatch(/^paid +20$/m);
    expect(await ordersOf(saleOf(said))).toEqual({ paid: 20 });
  }, 120_000);

  it('leaves the waiting room of a sale that is sold out, though an unpaid unit may come back much later', async () => {
    const { said, code } = await crowd('--shoppers 12 --units 4 --over 2s --pay 0 --abandon 1 --room');
    expect(code, said).toBe(0);
    expect(said).toMatch(/^not paid yet +4$/m);
    expect(said).toMatch(/^sold out +8$/m);
  }, 120_000);

  it('cancels what is neither paid nor abandoned, and others buy the units that come back', async () => {
    const { said, code } = await crowd('--shoppers 12 --units 12 --over 1s --pay 0 --abandon 0 --double-click 0');
    expect(code, said).toBe(0);
    expect(said).toMatch(/^sale \d+: 0 sold \+ 12 left = 12 units$/m);
    expect(await ordersOf(saleOf(said))).toEqual({ cancelled: 12 });
  }, 60_000);

  it('buys in a sale that exists, with a token that may only read', async () => {
    const first = await crowd('--shoppers 1 --units 5 --over 1s --pay 1');
    const sale = saleOf(first.said);
    const { said, code } = await crowd(`--shoppers 2 --over 1s --pay 1 --sale ${sale}`, { ADMIN_TOKEN: VIEWER_TOKEN });
    expect(code, said).toBe(0);
    expect(said).toMatch(new RegExp(`^sale ${sale}: 3 sold \\+ 2 left = 5 units$`, 'm'));
  }, 60_000);

  it('does as Retry-After says: a service that takes few buys in a second serves all in the end', async () => {
    const slow = await startService(context, {
      apis: 1,
      workers: 0,
      env: { RATE_LIMIT_GLOBAL_CAPACITY: '5', RATE_LIMIT_GLOBAL_PER_SECOND: '10' },
    });
    try {
      const { said, code } = await crowd('--shoppers 25 --units 25 --over 1s --pay 1 --double-click 0', {}, slow);
      expect(code, said).toBe(0);
      expect(said).toMatch(/^paid +25$/m);
      expect(said).toMatch(/^refused calls: .*rate_limited \d+/m);
    } finally {
      await slow.stop();
    }
  }, 90_000);

  it('logs in and solves proofs of work if the service asks for them', async () => {
    const strict = await startService(context, {
      apis: 1,
      workers: 0,
      env: { AUTH_MODE: 'jwt', JWT_SECRET, CHALLENGE_BITS: '8' },
    });
    try {
      const { said, code } = await crowd('--shoppers 20 --units 5 --over 1s --pay 1', {}, strict);
      expect(code, said).toBe(0);
      expect(said).toMatch(/^paid +5$/m);
      expect(Number(/challenge_required (\d+)/.exec(said)?.[1]), said).toBeGreaterThanOrEqual(20);
    } finally {
      await strict.stop();
    }
  }, 90_000);

  it('signs access tokens with JWT_SECRET if there is no development login, and says so if it cannot', async () => {
    const production = await startService(context, {
      apis: 1,
      workers: 0,
      env: { NODE_ENV: 'production', AUTH_MODE: 'jwt', JWT_SECRET, PAYMENT_PROVIDER: 'sandbox' },
    });
    try {
      const { said, code } = await crowd('--shoppers 3 --over 1s --pay 1', { JWT_SECRET }, production);
      expect(code, said).toBe(0);
      const without = await crowd('--shoppers 3', {}, production);
      expect(without).toMatchObject({ said: '', code: 1 });
      expect(without.complained).toMatch(/^The service asks shoppers for access tokens, .* Set JWT_SECRET [^\n]*\n$/);
    } finally {
      await production.stop();
    }
  }, 90_000);

  it('as a program, a crowd that fails says the same and ends with its exit code', async ({ onTestFinished }) => {
    const answer = await crowdProcess('--sale 999999', onTestFinished);
    expect(answer).toEqual(await crowd('--sale 999999'));
    expect(answer).toMatchObject({ said: '', code: 1 });
  });

  it.each<[string, string, Record<string, string>, number, RegExp]>([
    [
      'an option that does not fit',
      '--pay 2',
      {},
      2,
      /^--pay takes a share .*; usage: npm run crowd -- \[options\]\n$/,
    ],
    ['no operator token', '--shoppers 1', { ADMIN_TOKEN: '' }, 2, /^Set ADMIN_TOKEN or VIEWER_TOKEN: /],
    ['a wrong operator token', '--shoppers 1', { ADMIN_TOKEN: 'wrong' }, 1, /^Not authenticated .*\n$|unauthenticated/],
    ['a sale that does not exist', '--sale 999999', {}, 1, /^There is no sale 999999\n$/],
    ['a service that does not run', '--url http://127.0.0.1:1', {}, 1, /^The service does not answer; /],
  ])('says in one line what is wrong with %s', async (_, args, env, code, message) => {
    const answer = await crowd(args, env);
    expect(answer).toMatchObject({ said: '', code });
    expect(answer.complained).toMatch(message);
    expect(answer.complained.split('\n')).toHaveLength(2);
  });
});
