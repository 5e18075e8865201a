import { sql } from 'kysely';
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { listActions } from '../../src/operator/operator-actions-table.ts';
import {
  AS_OPERATOR,
  AS_VIEWER,
  openApp,
  openTestApp,
  openTestContext,
  type TestApp,
  VIEWER_TOKEN,
} from '../../testing/support.ts';
import { openOwnRedis } from '../../testing/own-servers.ts';

const PATH = '/api/v1/admin/deny-list';

const { context, app } = await openTestApp({ VIEWER_TOKEN, TRUSTED_PROXIES: '127.0.0.1' });
/** Another api process on the same servers. */
const other = await openApp(context);
afterAll(() => other.close());
const sale = await context.openSale({ seckillStock: 1_000 });

const deny = (body: object, headers: Record<string, string> = AS_OPERATOR) => app.post(PATH, body, headers);
const allow = (query: string, headers: Record<string, string> = AS_OPERATOR) =>
  app.server.inject({ method: 'DELETE', url: `${PATH}?${query}`, headers });
const askAs = (userId: string, through = app) =>
  through.post('/api/v1/seckill/token', { user_id: userId, product_id: sale.id });
const askFrom = (address: string, through = app) =>
  through.get(`/api/v1/products/${sale.id}`, { 'x-forwarded-for': address });
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();
const EVERYWHERE = { timeout: 1_000, interval: 20 };

describe('a denied user', () => {
  it('is refused for every shopper’s call at once here, and within a second on every other api process', async () => {
    const orderNo = await app.win(sale, 'bot');
    const token = await app.tokenOf(sale, 'bot');
    expect((await deny({ user_id: 'bot', reason: 'many accounts' })).json()).toMatchObject({
      user_id: 'bot',
      reason: 'many accounts',
      expires_at: null,
    });
    const named = { user_id: 'bot' };
    for (const answer of [
      await askAs('bot'),
      await app.buy(sale, 'bot', token),
      await app.get('/api/v1/orders?user_id=bot'),
      await app.get(`/api/v1/orders/${orderNo}?user_id=bot`),
      await app.post(`/api/v1/orders/${orderNo}/pay`, named),
      await app.post(`/api/v1/orders/${orderNo}/cancel`, named),
    ]) {
      expect(answer).toBeProblem('forbidden');
      // The reason must not be shown.
      expect(answer.body).not.toMatch(/many|deny|denied/);
    }
    await expect.poll(async () => (await askAs('bot', other)).statusCode, EVERYWHERE).toBe(403);
    expect((await askAs('Bot', other)).statusCode).toBe(200);
  });

  it('is allowed again as soon as an operator removes the entry', async () => {
    await deny({ user_id: 'sorry' });
    await expect.poll(async () => (await askAs('sorry', other)).statusCode, EVERYWHERE).toBe(403);
    expect((await allow('user_id=sorry')).statusCode).toBe(204);
    expect((await askAs('sorry')).statusCode).toBe(200);
    await expect.poll(async () => (await askAs('sorry', other)).statusCode, EVERYWHERE).toBe(200);
    expect(await allow('user_id=sorry')).toBeProblem('not_found');
  });

  it('stays denied by the ledger’s clock, also on an api process whose own clock is an hour ahead', async () => {
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
    onTestFinished(() => void vi.useRealTimers());
    expect((await deny({ user_id: 'minute', expires_at: expiresAt })).statusCode).toBe(200);
    expect(await askAs('minute')).toBeProblem('forbidden');
    await expect.poll(async () => (await askAs('minute', other)).statusCode, EVERYWHERE).toBe(403);
  });

  it('is allowed again by itself when the entry expires', async () => {
    const expiresAt = new Date(Date.now() + 1_500).toISOString();
    expect((await deny({ user_id: 'brief', expires_at: expiresAt })).json()).toMatchObject({ expires_at: expiresAt });
    expect(await askAs('brief')).toBeProblem('forbidden');
    await expect.poll(async () => (await askAs('brief')).statusCode, { timeout: 10_000 }).toBe(200);
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expiresAt));
    const { items } = (await app.get(`${PATH}?limit=100`, AS_OPERATOR)).json<{ items: { user_id?: string }[] }>();
    expect(items.map(({ user_id: userId }) => userId)).not.toContain('brief');
  });
});

describe('a denied address', () => {
  it('is refused with its whole range, before anything else, on every api process', async () => {
    expect((await deny({ address: '203.0.113.77/24' })).json()).toMatchObject({ address: '203.0.113.0/24' });
    expect(await askFrom('203.0.113.1')).toBeProblem('forbidden');
    expect(await app.post('/api/v1/seckill/buy', {}, { 'x-forwarded-for': '203.0.113.2' })).toBeProblem('forbidden');
    expect((await askFrom('203.0.114.1')).statusCode).toBe(200);
    await expect.poll(async () => (await askFrom('203.0.113.3', other)).statusCode, EVERYWHERE).toBe(403);
    await allow('address=203.0.113.0/24');
    expect((await askFrom('203.0.113.1')).statusCode).toBe(200);
  });

  it('does not affect operators, who could otherwise not remove it', async () => {
    await deny({ address: '127.0.0.1' });
    try {
      expect(await app.get(`/api/v1/products/${sale.id}`)).toBeProblem('forbidden');
      expect((await app.get('/healthz')).statusCode).toBe(200);
    } finally {
      expect((await allow('address=127.0.0.1')).statusCode).toBe(204);
    }
    expect((await app.get(`/api/v1/products/${sale.id}`)).statusCode).toBe(200);
  });
});

describe('the deny list', () => {
  it('survives its processes, and is in effect before the first call of a new one', async () => {
    await deny({ user_id: 'lasting', expires_at: inAnHour() });
    const later = await openApp(context);
    try {
      expect(await askAs('lasting', later)).toBeProblem('forbidden');
    } finally {
      await later.close();
    }
  });

  it('works while Redis is down, changes included', async () => {
    const server = await openOwnRedis();
    const lone = await openTestContext(server.env);
    const [a, b] = [await openApp(lone), await openApp(lone)];
    try {
      lone.redis.on('error', () => undefined);
      await server.kill();
      const read = (from: TestApp) => from.get(`/api/v1/orders?user_id=bot`).then(({ statusCode }) => statusCode);
      expect(await read(a)).toBe(200);
      expect((await a.post(PATH, { user_id: 'bot' }, AS_OPERATOR)).statusCode).toBe(200);
      expect(await read(a)).toBe(403);
      await expect.poll(() => read(b), EVERYWHERE).toBe(403);
    } finally {
      await a.close();
      await b.close();
      await server.restart();
      await lone.close();
      await server.close();
    }
  });

  it('stays as it was last read while MySQL refuses to read it, and no process starts without it', async () => {
    const lone = await openTestContext();
    const [a, b] = [await openApp(lone), await openApp(lone)];
    const read = (userId: string) => b.get(`/api/v1/orders?user_id=${userId}`).then(({ statusCode }) => statusCode);
    try {
      await a.post(PATH, { user_id: 'known' }, AS_OPERATOR);
      await expect.poll(() => read('known'), EVERYWHERE).toBe(403);
      const warned = vi.spyOn(lone.log, 'warn');
      await sql`INSERT INTO deny_list (kind, value, created_at) VALUES ('user', 'later', UTC_TIMESTAMP(3))`.execute(
        lone.db,
      );
      await sql`RENAME TABLE deny_list TO deny_list_away`.execute(lone.db);
      await sql`UPDATE deny_list_version SET version = version + 1`.execute(lone.db);
      const refusals = () => warned.mock.calls.filter(([, text]) => text?.startsWith('could not read the deny list'));
      await expect.poll(() => refusals().length, { timeout: 10_000 }).toBeGreaterThan(1);
      expect([await read('known'), await read('later')]).toEqual([403, 200]);
      await expect(openApp(lone)).rejects.toMatchObject({ code: 'ER_NO_SUCH_TABLE' });

      await sql`RENAME TABLE deny_list_away TO deny_list`.execute(lone.db);
      await expect.poll(() => read('later'), { timeout: 10_000 }).toBe(403);
      expect(await read('known')).toBe(403);
    } finally {
      await a.close();
      await b.close();
      await lone.close();
    }
  });

  it('is listed a page at a time, and a repeated entry replaces the earlier one', async () => {
    const values = ['10.9.0.0/16', '10.10.0.0/16', '2001:db8::/32'];
    for (const address of values) await deny({ address, reason: 'first' });
    await deny({ address: '10.9.1.2/16', reason: 'second', expires_at: inAnHour() });
    const found: { address?: string; reason: string }[] = [];
    let cursor: string | null = '';
    do {
      const query: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page = (await app.get(`${PATH}?limit=2${query}`, AS_VIEWER)).json<{
        items: typeof found;
        next_cursor: string | null;
      }>();
      found.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor !== null);
    const ours = found.filter(({ address }) => values.includes(address ?? ''));
    expect(ours.map(({ address, reason }) => [address, reason])).toEqual([
      ['10.10.0.0/16', 'first'],
      ['10.9.0.0/16', 'second'],
      ['2001:db8::/32', 'first'],
    ]);
    for (const address of values) await allow(`address=${address}`);
  });

  it('is changed by admins only, and the changes are recorded', async () => {
    const recorded = async () =>
      (await listActions(context.db, { limit: 2 })).map(({ action, subject }) => [action, subject]);
    await deny({ user_id: 'known', reason: 'why' });
    await allow('user_id=known');
    expect(await recorded()).toEqual([
      ['allow', 'shopper known'],
      ['deny', 'shopper known'],
    ]);
    expect(await deny({ user_id: 'safe' }, AS_VIEWER)).toBeProblem('forbidden');
    expect(await allow('user_id=safe', AS_VIEWER)).toBeProblem('forbidden');
    expect(await deny({ user_id: 'safe' }, {})).toBeProblem('unauthenticated');
    expect(await app.get(PATH)).toBeProblem('unauthenticated');
    expect((await recorded())[0]).toEqual(['allow', 'shopper known']);
    expect((await askAs('safe')).statusCode).toBe(200);
  });

  it.each<[string, object]>([
    ['nobody', {}],
    ['a user and an address', { user_id: 'u', address: '203.0.113.1' }],
    ['everybody', { address: '0.0.0.0/0' }],
    ['half the world', { address: '2000::/3' }],
    ['what is no address', { address: '1.2.3' }],
    ['a range that is none', { address: '10.0.0.0/33' }],
    ['a user who cannot be', { user_id: 'a b' }],
    ['a time that is past', { user_id: 'u', expires_at: '2020-01-01T00:00:00Z' }],
    ['a time that is none', { user_id: 'u', expires_at: 'tomorrow' }],
    ['a reason of two lines', { user_id: 'u', reason: 'a\nb' }],
    ['a field that does not exist', { user_id: 'u', forever: true }],
  ])('refuses an entry for %s', async (_what, body) => {
    expect(await deny(body)).toBeProblem('invalid_request');
  });
});
