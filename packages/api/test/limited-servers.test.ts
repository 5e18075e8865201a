import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '@flash-sale/shared/platform/config/config.ts';
import { connectDb, type Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { connectRedis } from '@flash-sale/shared/platform/redis/client.ts';
import { startProcess } from '../testing/service.ts';
import { AS_OPERATOR, openApp, openTestContext, type TestApp, type TestContext } from '../testing/support.ts';
import { openOwnMysql, openOwnRedis, type OwnServer } from '../testing/own-servers.ts';

const SOON = { timeout: 20_000, interval: 50 };
/** The rights that `docs/operations.md` asks for. */
const GRANTS = 'SELECT, INSERT, UPDATE, DELETE';
const ACL = ['+@all', '-@admin', '-@dangerous', '+info'];

let mysql: OwnServer;
let redis: OwnServer;
let root: Db;
let context: TestContext;
/** Connects a process to the servers as a user with only the rights that it needs. */
let limited: Record<string, string>;

beforeAll(async () => {
  [mysql, redis] = await Promise.all([openOwnMysql(), openOwnRedis()]);
  context = await openTestContext({ ...mysql.env, ...redis.env });
  root = connectDb(loadConfig({ ...context.env }), 'schema');
  await sql.raw(`CREATE USER limited@'127.0.0.1' IDENTIFIED BY 'p'`).execute(root);
  await sql.raw(`GRANT ${GRANTS} ON ${context.config.DB_NAME}.* TO limited@'127.0.0.1'`).execute(root);
  limited = { DB_USER: 'limited', DB_PASSWORD: 'p' };
});
afterAll(async () => {
  await root.destroy();
  await context.close();
  await Promise.all([mysql.close(), redis.close()]);
});

const PRODUCT = {
  name: 'Lamp',
  price: 19.99,
  stock: 100,
  seckill_stock: 5,
  start_time: '2026-01-01T00:00:00Z',
  end_time: '2099-12-31T00:00:00Z',
};

describe('with exactly the rights of the documentation', () => {
  beforeAll(async () => {
    const admin = connectRedis(context.config, 'background');
    const { REDIS_PREFIX } = context.config;
    await admin.call('ACL', 'SETUSER', 'admin', 'on', '>admin', '~*', '&*', '+@all');
    await admin.call('AUTH', 'admin', 'admin');
    const setDefault = (...rights: string[]) => admin.call('ACL', 'SETUSER', 'default', 'reset', 'on', ...rights);
    await setDefault('>own', `~${REDIS_PREFIX}*`, `&${REDIS_PREFIX}*`, ...ACL);
    return async () => {
      await setDefault('nopass', '~*', '&*', '+@all');
      admin.disconnect();
    };
  });

  it(
    'processes start without a warning, and sell, write, take payments and give units back',
    { timeout: 90_000 },
    async () => {
      const env = { ...context.env, ...limited, REDIS_PASSWORD: 'own' };
      const worker = await startProcess('worker', env);
      const app = await openApp(context, { ...limited, REDIS_PASSWORD: 'own', NODE_ENV: 'test' });
      try {
        const created = await app.post('/api/v1/admin/products', PRODUCT, AS_OPERATOR);
        expect(created.statusCode).toBe(201);
        const sale = created.json<{ id: number }>();
        const [paid, cancelled] = [await app.win(sale, 'payer'), await app.win(sale, 'canceller')];
        const statusOf = async (orderNo: string) =>
          (await app.get(`/api/v1/orders/${orderNo}`)).json<{ status: string }>().status;
        for (const orderNo of [paid, cancelled])
          await expect.poll(() => statusOf(orderNo), SOON).toBe('pending_payment');
        const answers = [
          await app.post(`/api/v1/orders/${paid}/pay`, { user_id: 'payer' }),
          await app.post(`/api/v1/orders/${cancelled}/cancel`, { user_id: 'canceller' }),
          await app.post(`/api/v1/admin/products/${sale.id}/pause`, undefined, AS_OPERATOR),
          await app.post('/api/v1/admin/deny-list', { user_id: 'payer' }, AS_OPERATOR),
          await app.get('/admin/queues/api/queues', AS_OPERATOR),
          await app.get('/readyz'),
        ];
        expect(answers.map(({ statusCode }) => statusCode).filter((status) => status >= 400)).toEqual([]);
        expect(answers.at(-1)!.json()).toEqual({ status: 'ready', redis: true, mysql: true });
        // A unit that went back is on sale again.
        await expect
          .poll(
            async () => (await app.get(`/api/v1/products/${sale.id}`)).json<{ available: number }>().available,
            SOON,
          )
          .toBe(PRODUCT.seckill_stock - 1);
        const warnings = worker.log.filter((line) =>
          ['warn', 'error'].includes((line as { level?: string }).level ?? ''),
        );
        expect(warnings.map(({ msg }) => msg)).toEqual([]);
      } finally {
        await app.close();
        expect(await worker.stop()).toBe(0);
      }
    },
  );
});

describe('a MySQL that becomes read-only in mid-sale, like the old master of a failover', () => {
  const setReadOnly = (on: boolean) => sql.raw(`SET GLOBAL read_only = ${on ? 1 : 0}`).execute(root);

  it(
    'every change gets unavailable, /readyz reports it, and the service goes on when MySQL takes writes again',
    { timeout: 90_000 },
    async () => {
      const app: TestApp = await openApp(context, limited);
      const worker = await startProcess('worker', { ...context.env, ...limited });
      try {
        const sale = await context.openSale();
        const orderNo = await app.win(sale, 'shopper');
        await expect
          .poll(async () => (await app.get(`/api/v1/orders/${orderNo}`)).json<{ status: string }>().status, SOON)
          .toBe('pending_payment');
        await setReadOnly(true);

        const changes = [
          () => app.post(`/api/v1/orders/${orderNo}/pay`, { user_id: 'shopper' }),
          () => app.post(`/api/v1/orders/${orderNo}/cancel`, { user_id: 'shopper' }),
          () => app.post(`/api/v1/admin/products/${sale.id}/pause`, undefined, AS_OPERATOR),
          () => app.post('/api/v1/admin/products', PRODUCT, AS_OPERATOR),
          () => app.post('/api/v1/admin/deny-list', { user_id: 'x' }, AS_OPERATOR),
        ];
        for (const change of changes) {
          const answer = await change();
          expect(answer).toBeProblem('unavailable');
        }
        expect((await app.get('/readyz')).json()).toEqual({ status: 'ready', redis: true, mysql: 'read_only' });
        const readyz = async () => {
          const answer = await fetch(`http://127.0.0.1:${worker.ready.ops_port}/readyz`);
          return [answer.status, await answer.json()];
        };
        expect(await readyz()).toEqual([503, { status: 'not_ready', redis: true, mysql: 'read_only' }]);

        // What is bought meanwhile is neither failed nor lost.
        const queued = await app.win(sale, 'later');
        const statusOf = async () => (await app.get(`/api/v1/orders/${queued}`)).json<{ status: string }>().status;
        await expect.poll(() => worker.log.some(({ msg }) => /retrying the transaction/.test(msg)), SOON).toBe(true);
        expect(await statusOf()).toBe('queued');
        await setReadOnly(false);
        await expect.poll(statusOf, SOON).toBe('pending_payment');
        expect((await changes[1]!()).json()).toMatchObject({ status: 'cancelled' });
        expect(await readyz()).toEqual([200, { status: 'ready', redis: true, mysql: true }]);
      } finally {
        await setReadOnly(false);
        await app.close();
        expect(await worker.stop()).toBe(0);
      }
    },
  );
});
