import { appRoutes } from '@bull-board/api/dist/routes.js';
import type { LightMyRequestResponse as Response } from 'fastify';
import { beforeEach, describe, expect, it } from 'vitest';
import { listActions } from '../../src/operator/operator-actions-table.ts';
import { writeOrders } from '@flash-sale/shared/admission/order-jobs.ts';
import { openApp, openTestApp, openTestContext, OPERATOR_TOKEN, VIEWER_TOKEN } from '../../testing/support.ts';
import { openOwnRedis } from '../../testing/own-servers.ts';

const PATH = '/admin/queues';
const basic = (password: string) => ({ authorization: `Basic ${Buffer.from(`lin:${password}`).toString('base64')}` });
const AS_ADMIN = basic(OPERATOR_TOKEN);
const AS_VIEWER = basic(VIEWER_TOKEN);

const { context, app } = await openTestApp({ VIEWER_TOKEN });
await context.openSale();

const queue = () => app.deps.queue(0);
beforeEach(() => queue().obliterate({ force: true }));

const addJob = (jobId: string, delay = 0, orders = 2) => {
  const { name, data, opts } = writeOrders({ id: 1, shard: 0 }, jobId, orders);
  return queue().add(name, data, { ...opts, delay });
};
const call = (method: string, path: string, headers: Record<string, string>) =>
  app.server.inject({ method: method as 'PUT', url: `${PATH}${path}`, headers });
const change = (path: string, headers: Record<string, string>) =>
  call('PUT', `/api/queues/orders-shard-0${path}`, headers);
const recorded = async () =>
  (await listActions(context.db, { limit: 100 })).map(({ action, subject }) => [action, subject]);

/** The page's data about a queue. */
interface Seen {
  readonly queues: {
    readonly name: string;
    readonly displayName: string;
    readonly statuses: string[];
    readonly counts: Record<string, number>;
    readonly readOnlyMode: boolean;
    readonly jobs: { readonly id: string; readonly name: string; readonly data: object }[];
  }[];
}
const see = async (headers = AS_ADMIN, query = ''): Promise<Seen['queues'][number]> => {
  const answer = await app.get(`${PATH}/api/queues?activeQueue=orders-shard-0${query}`, headers);
  expect(answer.statusCode).toBe(200);
  return answer.json<Seen>().queues.find(({ name }) => name === 'orders-shard-0')!;
};

describe('who may see the dashboard', () => {
  const pages = [PATH, `${PATH}/`, `${PATH}/queue/orders-shard-0`, `${PATH}/api/queues`, `${PATH}/static/favicon.ico`];

  it.each(pages)('%s: a browser without credentials has to log in', async (url) => {
    for (const headers of [{}, basic('wrong')]) {
      const answer = await app.get(url, headers);
      expect(answer).toMatchObject({ statusCode: 401 });
      expect(answer.headers['www-authenticate']).toMatch(/^Basic realm=/);
    }
  });

  it.each(pages)('%s: an admin and a viewer see it', async (url) => {
    for (const headers of [AS_ADMIN, AS_VIEWER]) expect((await app.get(url, headers)).statusCode).toBe(200);
  });

  it('no one can without an operator token in the settings', async () => {
    const closed = await openApp(context, { ADMIN_TOKEN: '', VIEWER_TOKEN: '' });
    try {
      expect((await closed.get(PATH, AS_ADMIN)).statusCode).toBe(401);
    } finally {
      await closed.close();
    }
  });
});

describe('what the dashboard shows', () => {
  it('is the queue of every shard that has sales, with a clear name', async () => {
    const other = await openApp(context);
    await context.insertSale({ shard: 3 });
    try {
      const answer = await other.get(`${PATH}/api/queues`, AS_ADMIN);
      const names = answer.json<Seen>().queues.map(({ name, displayName }) => [name, displayName]);
      expect(names).toEqual([
        ['orders-shard-0', 'Orders, shard 0'],
        ['orders-shard-3', 'Orders, shard 3'],
      ]);
    } finally {
      await other.close();
    }
  });

  it('is jobs in the service’s own words, and the number of waiting ones: a finished job is removed', async () => {
    await addJob('job-seen');
    await addJob('job-later', 60_000, 1);
    const { jobs, counts, statuses } = await see();
    expect(statuses).toEqual(['latest', 'active', 'waiting', 'delayed', 'failed']);
    expect(counts).toMatchObject({ active: 0, waiting: 1, delayed: 1, failed: 0 });
    expect(jobs.map(({ id }) => id).toSorted()).toEqual(['job-later', 'job-seen']);
    const seen = jobs.find(({ id }) => id === 'job-seen')!;
    expect(seen.name).toMatch(/^sale 1 · 2 orders · \d+ s old$/);
    expect(seen.data).toEqual({ shard: 0, batches: [{ sale: 1, orders: 2, batch_no: 'job-seen' }] });
  });

  it('is at most 50 jobs at once, for any requested number', async () => {
    await Promise.all(Array.from({ length: 60 }, (_, i) => addJob(`job-${i}`)));
    expect((await see(AS_ADMIN, '&status=waiting&jobsPerPage=1000000')).jobs).toHaveLength(50);
    expect((await see(AS_ADMIN, '&status=waiting&jobsPerPage=20')).jobs).toHaveLength(20);
  });
});

describe('an admin', () => {
  it('promotes a job, and all of them; each is recorded', async () => {
    await addJob('job-one', 60_000);
    await addJob('job-two', 60_000);
    expect((await change('/job-one/promote', AS_ADMIN)).statusCode).toBeLessThan(300);
    expect(await queue().getWaitingCount()).toBe(1);
    expect((await change('/promote', AS_ADMIN)).statusCode).toBe(200);
    expect(await queue().getWaitingCount()).toBe(2);
    expect((await recorded()).slice(0, 2)).toEqual([
      ['promote_all', 'queue orders-shard-0'],
      ['promote', 'job job-one'],
    ]);
    const [last] = await listActions(context.db, { limit: 1 });
    expect(last).toMatchObject({ operator: 'lin', role: 'admin', detail: { queue: 'orders-shard-0' } });
  });

  it('retries a job that failed, and all of them; each is recorded', async () => {
    for (const jobId of ['job-failed', 'job-failed-too']) {
      await addJob(jobId);
      const { redis, keys } = context;
      const at = (name: string) => `${keys.queuePrefix(0)}:orders:${name}`;
      await redis.lrem(at('wait'), 1, jobId);
      await redis.zadd(at('failed'), Date.now(), jobId);
      await redis.hset(at(jobId), 'finishedOn', Date.now(), 'failedReason', 'no reason');
    }
    expect((await see()).counts).toMatchObject({ failed: 2, waiting: 0 });
    expect((await change('/job-failed/retry', AS_ADMIN)).statusCode).toBeLessThan(300);
    expect((await change('/retry/failed', AS_ADMIN)).statusCode).toBe(200);
    expect((await see()).counts).toMatchObject({ failed: 0, waiting: 2 });
    expect((await recorded()).slice(0, 2)).toEqual([
      ['retry_all', 'queue orders-shard-0'],
      ['retry', 'job job-failed'],
    ]);
  });

  it('does nothing that cannot be recorded', async () => {
    await addJob('job-unrecorded', 60_000);
    await context.db.schema.alterTable('operator_actions').renameTo('operator_actions_away').execute();
    try {
      expect((await change('/job-unrecorded/promote', AS_ADMIN)).statusCode).toBe(500);
      expect(await queue().getDelayedCount()).toBe(1);
    } finally {
      await context.db.schema.alterTable('operator_actions_away').renameTo('operator_actions').execute();
    }
  });
});

const EXAMPLES: Readonly<Record<string, string>> = {
  queueName: 'orders-shard-0',
  jobId: 'job-kept',
  queueStatus: 'failed',
  schedulerId: 'scheduler',
};
/**
 * Every call of bull-board that changes something, from its own list, so that those of a new
 * version are included.
 */
const CHANGES = appRoutes.api
  .flatMap(({ method, route }) => [method].flat().map((each) => [each.toUpperCase(), [route].flat()[0]!] as const))
  .filter(([method]) => method !== 'GET')
  .map(([method, route]) => [method, route.replaceAll(/:(\w+)/g, (_, name: string) => EXAMPLES[name]!)] as const);
const ALLOWED = /\/(promote|retry|retry\/failed)$/;

const isForbidden = (answer: Response) => {
  expect({ status: answer.statusCode, body: answer.json() }).toMatchObject({
    status: 403,
    body: { code: 'forbidden' },
  });
  // What the page shows.
  expect(answer.json()).toHaveProperty('error');
};

describe('nothing else can be changed', () => {
  it.each(CHANGES.filter(([, path]) => !ALLOWED.test(path)))(
    '%s %s is refused even to an admin, changes nothing and is not recorded',
    async (method, path) => {
      await addJob('job-kept', 60_000);
      const before = await recorded();
      isForbidden(await call(method, path, AS_ADMIN));
      expect(await queue().getDelayedCount()).toBe(1);
      expect(await queue().isPaused()).toBe(false);
      expect(await recorded()).toEqual(before);
    },
  );

  it.each(CHANGES)('%s %s is refused to a viewer', async (method, path) => {
    await addJob('job-kept', 60_000);
    const before = await recorded();
    isForbidden(await call(method, path, AS_VIEWER));
    expect(await queue().getDelayedCount()).toBe(1);
    expect(await recorded()).toEqual(before);
  });

  it('there are calls to refuse and calls to allow', () => {
    expect(CHANGES.filter(([, path]) => ALLOWED.test(path))).toHaveLength(4);
    expect(CHANGES.length).toBeGreaterThan(15);
  });

  it('shows a viewer no buttons: the queue is read-only', async () => {
    expect(await see(AS_VIEWER)).toMatchObject({ readOnlyMode: true, allowRetries: false });
    expect(await see(AS_ADMIN)).toMatchObject({ readOnlyMode: false, allowRetries: true });
  });

  it.each([
    ['sec-fetch-site: cross-site', { 'sec-fetch-site': 'cross-site' }],
    ['sec-fetch-site: same-site', { 'sec-fetch-site': 'same-site' }],
    ['another origin', { origin: 'https://evil.example' }],
    ['an opaque origin', { origin: 'null' }],
  ])('by a page of another site, though the browser sends the credentials: %s', async (_what, headers) => {
    await addJob('job-kept', 60_000);
    isForbidden(await change('/job-kept/promote', { ...AS_ADMIN, ...headers }));
    expect(await queue().getDelayedCount()).toBe(1);
  });

  it('the page’s own calls pass', async () => {
    await addJob('job-own', 60_000);
    const own = { 'sec-fetch-site': 'same-origin', origin: 'http://localhost:80', host: 'localhost:80' };
    expect((await change('/job-own/promote', { ...AS_ADMIN, ...own })).statusCode).toBeLessThan(300);
  });
});

describe('the page', () => {
  it('may load and call only what this service serves, and may not be framed', async () => {
    const page = await app.get(PATH, AS_ADMIN);
    const policy = String(page.headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval|script-src[^;]*unsafe/);
    expect(page.headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    const shoppers = await app.get('/api/v1/products');
    expect(shoppers.headers['content-security-policy']).not.toBe(policy);
  });

  it('is not in the contract: the OpenAPI document does not contain it', async () => {
    expect((await app.get('/docs/json')).body).not.toContain(PATH);
  });

  it('answers 404 for unknown paths, as a problem and without a driver’s error', async () => {
    expect((await app.get(`${PATH}/api/queues/no-such-queue/job`, AS_ADMIN)).statusCode).toBe(404);
    expect(await app.get(`${PATH}/api/no-such-call`, AS_ADMIN)).toBeProblem('not_found');
  });
});

it('while Redis is down the dashboard answers 503 at once and works again after it', async () => {
  const redis = await openOwnRedis();
  const away = await openTestContext({ ...redis.env, VIEWER_TOKEN });
  away.redis.on('error', () => undefined);
  await away.openSale();
  const itsApp = await openApp(away);
  try {
    expect((await itsApp.get(`${PATH}/api/queues`, AS_ADMIN)).statusCode).toBe(200);
    await redis.kill();
    await expect
      .poll(async () => (await itsApp.get(`${PATH}/api/queues`, AS_ADMIN)).json<{ code?: string }>().code)
      .toBe('unavailable');
    expect((await itsApp.get(PATH, AS_ADMIN)).statusCode).toBe(200);
    await redis.restart();
    await expect.poll(async () => (await itsApp.get(`${PATH}/api/queues`, AS_ADMIN)).statusCode).toBe(200);
  } finally {
    await itsApp.close();
    await away.close();
    await redis.close();
  }
});
