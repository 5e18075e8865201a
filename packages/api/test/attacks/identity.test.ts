import { createHmac } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { SignJWT } from 'jose';
import { afterAll, describe, expect, it } from 'vitest';
import { newBatchNo, newOrderNumber } from '@flash-sale/shared/order/order-number.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { SeckillTokens } from '@flash-sale/shared/seckill-token/seckill-token.ts';
import { loseToken, takeLease } from '@flash-sale/shared/testing/buying.ts';
import { effectsOn, openApp, openTestApp, settleOrder, TOKEN_SECRET } from '../../testing/support.ts';
import { bearer, hs256, SECRET } from '../identity/access-tokens.ts';

const { context, app } = await openTestApp({ AUTH_MODE: 'jwt', JWT_SECRET: SECRET });
/** Another api process on the same servers. */
const other = await openApp(context);
afterAll(() => other.close());
const sale = await context.openSale({ seckillStock: 1_000 });

type Headers = Record<string, string>;
const nowS = () => Math.floor(Date.now() / 1_000);
const sign = (claims: object, secret = SECRET, alg = 'HS256') => hs256({ exp: nowS() + 600, ...claims }, secret, alg);
const as = async (userId: string): Promise<Headers> => bearer(await sign({ sub: userId }));
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

const tokenFor = async (headers: Headers, of: Sale = sale) =>
  (await app.post('/api/v1/seckill/token', { product_id: of.id }, headers)).json<{ token: string }>().token;
const buy = (headers: Headers, token: string, of: Sale = sale, through = app) =>
  through.post('/api/v1/seckill/buy', { product_id: of.id, token }, headers);
const win = async (headers: Headers) =>
  (await buy(headers, await tokenFor(headers))).json<{ order_no: string }>().order_no;

describe('attack: an access token that the provider did not sign for the caller', () => {
  it.each<[string, () => Promise<string>]>([
    ['forged with a key of the attacker’s', () => sign({ sub: 'victim' }, 'x'.repeat(32))],
    ['forged with the secret in capitals', () => sign({ sub: 'victim' }, SECRET.toUpperCase())],
    ['expired for longer than clocks may differ', () => sign({ sub: 'victim', exp: nowS() - 31 })],
    ['not valid yet', () => sign({ sub: 'victim', nbf: nowS() + 60 })],
    [
      'without an expiry',
      async () => new SignJWT({ sub: 'victim' }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(SECRET)),
    ],
    ['with the alg none', async () => `${part({ alg: 'none' })}.${part({ sub: 'victim', exp: nowS() + 600 })}.`],
    [
      'with the alg none and a signature',
      async () => `${part({ alg: 'none' })}.${part({ sub: 'victim', exp: nowS() + 600 })}.AAAA`,
    ],
    [
      'with another alg under the right secret',
      async () => {
        const body = `${part({ alg: 'HS512' })}.${part({ sub: 'victim', exp: nowS() + 600 })}`;
        return `${body}.${createHmac('sha512', SECRET).update(body).digest('base64url')}`;
      },
    ],
    [
      'whose header names HS512 over an HS256 signature',
      async () => {
        const body = `${part({ alg: 'HS512' })}.${part({ sub: 'victim', exp: nowS() + 600 })}`;
        return `${body}.${createHmac('sha256', SECRET).update(body).digest('base64url')}`;
      },
    ],
    [
      'with a swapped key: the header brings its own',
      async () => {
        const jwk = { kty: 'oct', k: Buffer.from('x'.repeat(32)).toString('base64url') };
        const body = `${part({ alg: 'HS256', jwk, kid: '../../dev/null' })}.${part({ sub: 'victim', exp: nowS() + 600 })}`;
        return `${body}.${createHmac('sha256', 'x'.repeat(32)).update(body).digest('base64url')}`;
      },
    ],
    [
      'with swapped claims under a signature that was valid',
      async () => {
        const [head, , mac] = (await sign({ sub: 'attacker' })).split('.');
        return `${head}.${part({ sub: 'victim', exp: nowS() + 600 })}.${mac}`;
      },
    ],
    ['cut short', async () => (await sign({ sub: 'victim' })).slice(0, -1)],
  ])('%s opens nothing', async (_what, forge) => {
    const headers = bearer(await forge());
    expect(await app.post('/api/v1/seckill/token', { product_id: sale.id }, headers)).toBeProblem('unauthenticated');
    expect(await app.get('/api/v1/orders', headers)).toBeProblem('unauthenticated');
    expect(await app.post('/api/v1/orders/x/pay', {}, headers)).toBeProblem('unauthenticated');
    expect(await app.post('/api/v1/orders/x/cancel', {}, headers)).toBeProblem('unauthenticated');
  });

  it('is not accepted for operators’ calls either', async () => {
    expect(await app.get('/api/v1/admin/actions', await as('admin'))).toBeProblem('unauthenticated');
  });
});

describe('attack: another shopper’s order', () => {
  it('looks exactly like one that does not exist: for reading, waiting, paying and cancelling', async () => {
    const [owner, thief] = [await as('owner'), await as('thief')];
    const orderNo = await win(owner);
    // As well formed as the real one, but forged.
    const unknown = `${orderNo.startsWith('0') ? '1' : '0'}${orderNo.slice(1)}`;
    const calls = [
      (no: string) => app.get(`/api/v1/orders/${no}`, thief),
      (no: string) => app.get(`/api/v1/orders/${no}?wait=1`, thief),
      (no: string) => app.post(`/api/v1/orders/${no}/pay`, {}, thief),
      (no: string) => app.post(`/api/v1/orders/${no}/cancel`, {}, thief),
    ];
    const check = async () => {
      for (const call of calls) {
        const [theirs, nobodys] = [await call(orderNo), await call(unknown)];
        expect(theirs).toBeProblem('not_found');
        const { request_id: _a, ...body } = theirs.json<Record<string, unknown>>();
        const { request_id: _b, ...expected } = nobodys.json<Record<string, unknown>>();
        expect(body).toEqual(expected);
        expect(Object.keys(theirs.headers).toSorted()).toEqual(Object.keys(nobodys.headers).toSorted());
      }
    };
    await check();
    await settleOrder(context, sale, orderNo);
    await check();
    const [row] = await context.db.selectFrom('orders').select('status').where('order_no', '=', orderNo).execute();
    expect(row).toEqual({ status: 'pending_payment' });
    expect(await context.db.selectFrom('payments').selectAll().where('order_no', '=', orderNo).execute()).toEqual([]);
    expect((await app.get('/api/v1/orders', thief)).json()).toEqual({ items: [], next_cursor: null });
  });

  it('is not listed by a cursor directly after it', async () => {
    await settleOrder(context, sale, await win(await as('listed')));
    const cursor = newOrderNumber(sale, newBatchNo(Date.now() + 60_000));
    const answer = await app.get(`/api/v1/orders?cursor=${cursor}`, await as('curious'));
    expect(answer.json()).toEqual({ items: [], next_cursor: null });
    expect((await app.get(`/api/v1/orders?cursor=${cursor}`, await as('listed'))).json()).toMatchObject({
      items: [{}],
    });
  });

  it('shows its payment to its owner only, even to a caller who knows the number', async () => {
    const [owner, thief] = [await as('payer'), await as('peeker')];
    const orderNo = await win(owner);
    await settleOrder(context, sale, orderNo);
    const paid = await app.post(`/api/v1/orders/${orderNo}/pay`, {}, owner);
    expect(paid.statusCode).toBe(200);
    const { payment_id: paymentId } = paid.json<{ payment_id: string }>();
    const answer = await app.post(`/api/v1/orders/${orderNo}/pay`, {}, thief);
    expect(answer).toBeProblem('not_found');
    expect(answer.body).not.toContain(paymentId);
  });
});

describe('attack: a seckill token that the caller may not use', () => {
  /** The answer to a buy, and whether it changed nothing. */
  const attempt = async (headers: Headers, token: string, of: Sale, users: string[]) => {
    const before = await effectsOn(context, of, ...users);
    const { code } = (await buy(headers, token, of)).json<{ code?: string }>();
    return { code, leavesAll: isDeepStrictEqual(await effectsOn(context, of, ...users), before) };
  };
  const NOTHING = { code: 'token_invalid', leavesAll: true };

  it('stolen from another shopper buys nothing, and stays usable for its owner', async () => {
    const [victim, thief] = [await as('robbed'), await as('robber')];
    const token = await tokenFor(victim);
    expect(await attempt(thief, token, sale, ['robbed', 'robber'])).toEqual(NOTHING);
    expect((await buy(victim, token)).statusCode).toBe(202);
  });

  it('of another sale buys nothing', async () => {
    const elsewhere = await context.openSale();
    const headers = await as('crosser');
    expect(await attempt(headers, await tokenFor(headers, elsewhere), sale, ['crosser'])).toEqual(NOTHING);
  });

  it('cut at any place, or with any one bit flipped, buys nothing', async () => {
    const headers = await as('flipper');
    const token = await tokenFor(headers);
    const bytes = Buffer.from(token);
    const broken = new Set<string>();
    for (let end = 1; end < token.length; end += 1) broken.add(token.slice(0, end));
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      broken.add(flipped.toString('latin1'));
    }
    expect(broken.size).toBeGreaterThan(500);
    const before = await effectsOn(context, sale, 'flipper');
    for (const text of broken) {
      const answer = await buy(headers, text);
      expect([400, 403]).toContain(answer.statusCode);
    }
    expect(await effectsOn(context, sale, 'flipper')).toEqual(before);
    expect((await buy(headers, token)).statusCode).toBe(202);
  });

  it('that we signed but never issued, or that was replaced by a newer one, buys nothing', async () => {
    const headers = await as('hoarder');
    const never = new SeckillTokens([TOKEN_SECRET]).sign({ userId: 'hoarder', saleId: sale.id }, Date.now() + 60_000);
    expect(await attempt(headers, never, sale, ['hoarder'])).toEqual(NOTHING);
    const old = await tokenFor(headers);
    await loseToken(context, sale, 'hoarder');
    await tokenFor(headers);
    expect(await attempt(headers, old, sale, ['hoarder'])).toEqual(NOTHING);
  });

  it('forged with the attacker’s own secret buys nothing', async () => {
    const forger = new SeckillTokens(['a-secret-of-the-attackers-own']);
    const forged = forger.sign({ userId: 'forger', saleId: sale.id }, Date.now() + 60_000);
    expect(await attempt(await as('forger'), forged, sale, ['forger'])).toEqual(NOTHING);
    // Known by its MAC, before anything is read: not even whether there is such a sale.
    expect(await buy(await as('forger'), forged, { ...sale, id: 999_999 })).toBeProblem('token_invalid');
    // Under the name of our key, which is no secret, it is no better.
    const ours = (await tokenFor(await as('forger'))).split('.', 1)[0]!;
    expect(await attempt(await as('forger'), `${ours}${forged.slice(ours.length)}`, sale, ['forger'])).toEqual(NOTHING);
  });

  it('replayed after its order was closed buys no second unit', async () => {
    const headers = await as('replayer');
    const token = await tokenFor(headers);
    const { order_no: orderNo } = (await buy(headers, token)).json<{ order_no: string }>();
    await settleOrder(context, sale, orderNo);
    expect((await app.post(`/api/v1/orders/${orderNo}/cancel`, {}, headers)).statusCode).toBe(200);
    // As the returns service does.
    const lease = await takeLease(context, sale);
    expect(await context.commands.giveBack(sale, lease, [{ userId: 'replayer', orderNo }])).toBe(1);
    await context.commands.releaseLease(sale, lease);
    expect(await attempt(headers, token, sale, ['replayer'])).toEqual(NOTHING);
  });

  it('used a hundred times in parallel on two api processes buys one unit', async () => {
    const headers = await as('parallel');
    const token = await tokenFor(headers);
    const before = Number(await context.redis.hget(context.keys.sale(sale).state, 'available'));
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => buy(headers, token, sale, i % 2 === 0 ? app : other)),
    );
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([202]));
    expect(new Set(answers.map((answer) => answer.json<{ order_no: string }>().order_no)).size).toBe(1);
    expect(answers.filter((answer) => answer.json<{ replayed?: boolean }>().replayed !== true)).toHaveLength(1);
    expect(Number(await context.redis.hget(context.keys.sale(sale).state, 'available'))).toBe(before - 1);
  });
});

describe('attack: more calls than the limits allow, on several api processes at once', () => {
  /**
   * Seckill tokens that we signed and never issued: this answer means that the call has passed the
   * limits, and owns nothing.
   */
  const signer = new SeckillTokens([TOKEN_SECRET]);

  async function hammer(env: Record<string, string>, userOf: (i: number) => string) {
    const apps = await Promise.all(
      [1, 2, 3].map(() => openApp(context, { AUTH_MODE: 'trusted', REDIS_TIMEOUT_MS: '10000', ...env })),
    );
    try {
      const busy = await context.openSale();
      const beganMs = Date.now();
      const answers = await Promise.all(
        Array.from({ length: 1_000 }, (_, i) => {
          const userId = userOf(i);
          const token = signer.sign({ userId, saleId: busy.id }, Date.now() + 60_000);
          return apps[i % apps.length]!.buy(busy, userId, token);
        }),
      );
      const elapsedS = (Date.now() - beganMs) / 1_000;
      const passed = answers.filter(({ statusCode }) => statusCode === 403);
      const refused = answers.filter(({ statusCode }) => statusCode === 429);
      expect(passed.length + refused.length).toBe(1_000);
      for (const answer of passed) expect(answer).toBeProblem('token_invalid');
      for (const answer of refused) expect(answer).toBeProblem('rate_limited');
      return { passed: passed.length, elapsed_s: elapsedS, refusal: refused[0]! };
    } finally {
      await Promise.all(apps.map((one) => one.close()));
    }
  }

  it('of 1,000 parallel calls of one user at most burst + rate × time pass', async () => {
    const env = { RATE_LIMIT_USER_CAPACITY: '5', RATE_LIMIT_USER_PER_SECOND: '5' };
    const { passed, elapsed_s: elapsedS, refusal } = await hammer(env, () => 'greedy');
    expect(passed).toBeGreaterThanOrEqual(5);
    expect(passed).toBeLessThanOrEqual(5 + 5 * elapsedS);
    expect(refusal.headers).toMatchObject({ 'ratelimit-policy': '"user";q=5;w=1', ratelimit: '"user";r=0;t=1' });
  });

  it('of 1,000 parallel calls of 1,000 users at most the global burst + rate × time pass', async () => {
    const env = { RATE_LIMIT_GLOBAL_CAPACITY: '50', RATE_LIMIT_GLOBAL_PER_SECOND: '10' };
    const { passed, elapsed_s: elapsedS, refusal } = await hammer(env, (i) => `crowd-${i}`);
    expect(passed).toBeGreaterThanOrEqual(50);
    expect(passed).toBeLessThanOrEqual(50 + 10 * elapsedS);
    expect(refusal.headers).toMatchObject({ 'ratelimit-policy': '"global";q=50;w=5' });
  });
});
