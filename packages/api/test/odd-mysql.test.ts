import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '@flash-sale/shared/platform/config/config.ts';
import { connectDb, type Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { readSold } from '@flash-sale/shared/sale/products-table.ts';
import { takeAllConnections } from '@flash-sale/shared/testing/all-connections.ts';
import { launchProcess, startProcess } from '../testing/service.ts';
import {
  AS_OPERATOR,
  openApp,
  openTestContext,
  settleOrder,
  type TestApp,
  type TestContext,
} from '../testing/support.ts';
import { openOwnMysql, type OwnServer } from '../testing/own-servers.ts';

let server: OwnServer;
let root: Db;
let isMariadb: boolean;

beforeAll(async () => {
  // A server that does not believe what a client says of its character set, rolls back a whole
  // transaction after the wait for a lock, and takes statements of at most 1 MiB.
  server = await openOwnMysql([
    '--character-set-server=latin1',
    '--loose-skip-character-set-client-handshake',
    '--innodb-rollback-on-timeout',
    '--max-allowed-packet=1M',
  ]);
  root = connectDb(loadConfig({ ...server.env, DB_NAME: 'mysql' }), 'schema');
  const { rows } = await sql<{ version: string }>`SELECT VERSION() AS version`.execute(root);
  isMariadb = /mariadb/i.test(rows[0]!.version);
});
afterAll(async () => {
  await root.destroy();
  await server.close();
});

/**
 * Settings of a server that change what SQL means, whether it is committed, what it sees or whether
 * it runs at all.
 */
const ODD: Readonly<Record<string, readonly string[]>> = {
  'no backslash escapes': [`sql_mode = 'STRICT_TRANS_TABLES,NO_BACKSLASH_ESCAPES'`],
  'the quotes and operators of another SQL': [
    `sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,IGNORE_SPACE,HIGH_NOT_PRECEDENCE,REAL_AS_FLOAT'`,
  ],
  'wrong data changed into other data': [`sql_mode = 'NO_UNSIGNED_SUBTRACTION,NO_AUTO_VALUE_ON_ZERO'`],
  'nothing committed by itself': ['autocommit = 0'],
  'a commit that begins the next transaction': [`completion_type = 'CHAIN'`],
  'a commit that ends the connection': [`completion_type = 'RELEASE'`],
  'reads that lock': ['TRANSACTION ISOLATION LEVEL SERIALIZABLE'],
  'reads of what is not committed': ['TRANSACTION ISOLATION LEVEL READ UNCOMMITTED'],
  'transactions that may not write': ['TRANSACTION READ ONLY'],
  'another time zone': [`time_zone = '-11:00'`],
  'changes by key only': ['sql_safe_updates = 1'],
  'answers cut short': ['sql_select_limit = 1', 'sql_big_selects = 0'],
  'checks of keys turned off': ['unique_checks = 0', 'foreign_key_checks = 0'],
  'times that are over at once': [
    'wait_timeout = 1',
    'net_read_timeout = 1',
    'innodb_lock_wait_timeout = 1',
    'lock_wait_timeout = 1',
  ],
};

/** The default of one such setting again. */
function usual(setting: string): string {
  if (setting.startsWith('TRANSACTION')) return 'TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE';
  return `${setting.split(' ')[0]} = DEFAULT`;
}

const setGlobal = async (settings: readonly string[]): Promise<void> => {
  for (const setting of settings) await sql`SET GLOBAL ${sql.raw(setting)}`.execute(root);
};

/**
 * Ids that the contract allows, and that end a literal, a statement or a comment under one setting
 * or another.
 */
const HOSTILE = [
  "o'brien",
  "',0x70616964,1,1,NULL,NOW(),NOW(),NOW(),NULL)#",
  "\\',0x70616964,1,1,NULL,NOW(),NOW(),NOW(),NULL)#",
  '"),("x',
  '\\',
  'a?b',
];
/** Buys nothing; asks for its orders only. */
const EVERYBODY = "'OR/**/1=1#";

/**
 * Opens a sale, and has each shopper buy, the first pay and the second cancel; holds every answer
 * to what it is elsewhere.
 *
 * @returns the units that the ledger counts as sold
 */
async function sellTo(context: TestContext, app: TestApp): Promise<number | undefined> {
  const name = `O'Neil’s \\ "Lampe" für 🍀?`;
  const created = await app.post(
    '/api/v1/admin/products',
    {
      name,
      price: 19.99,
      stock: 100,
      seckill_stock: 10,
      start_time: '2026-01-01T00:00:00Z',
      end_time: '2099-12-31T23:30:00.250Z',
    },
    AS_OPERATOR,
  );
  expect(created.json()).toMatchObject({ name, end_time: '2099-12-31T23:30:00.250Z', status: 'open' });
  const sale = { ...created.json<{ id: number }>(), shard: 0 } as Parameters<typeof settleOrder>[1];
  const orderNos = new Map<string, string>();
  for (const userId of HOSTILE) {
    const orderNo = await app.win(sale, userId);
    orderNos.set(userId, orderNo);
    await settleOrder(context, sale, orderNo);
  }
  for (const userId of [...HOSTILE, EVERYBODY]) {
    const list = await app.get(`/api/v1/orders?user_id=${encodeURIComponent(userId)}`);
    const own = { order_no: orderNos.get(userId), user_id: userId, status: 'pending_payment', price: 19.99 };
    expect(list.json()).toMatchObject({ items: orderNos.has(userId) ? [own] : [], next_cursor: null });
  }
  const [payer, canceller] = HOSTILE as [string, string];
  const paid = await app.post(`/api/v1/orders/${orderNos.get(payer)}/pay`, { user_id: payer });
  expect(paid.statusCode).toBe(200);
  const cancelled = await app.post(`/api/v1/orders/${orderNos.get(canceller)}/cancel`, { user_id: canceller });
  expect(cancelled.json()).toMatchObject({ status: 'cancelled', user_id: canceller });
  const denied = await app.post('/api/v1/admin/deny-list', { user_id: payer, reason: "\\' für 🍀" }, AS_OPERATOR);
  expect(denied.statusCode).toBeLessThan(300);
  const entries = await app.get('/api/v1/admin/deny-list', AS_OPERATOR);
  expect(entries.json()).toMatchObject({ items: [{ user_id: payer, reason: "\\' für 🍀" }] });
  return (await readSold(context.db, [sale.id])).get(sale.id);
}

describe('a server with unusual defaults sells like any other, to shoppers with hostile ids', () => {
  it.each(Object.entries(ODD))('%s', { timeout: 60_000 }, async (_, settings) => {
    await setGlobal(settings);
    let context: TestContext | undefined;
    let app: TestApp | undefined;
    try {
      context = await openTestContext(server.env);
      app = await openApp(context);
      expect(await sellTo(context, app)).toBe(HOSTILE.length - 1);
    } finally {
      await setGlobal(settings.map(usual));
      await app?.close();
      await context?.close();
    }
  });

  it('a time limit of statements that every statement exceeds', async () => {
    const limit = isMariadb ? 'max_statement_time' : 'max_execution_time';
    await setGlobal([`${limit} = ${isMariadb ? '0.000001' : '1'}`]);
    try {
      const context = await openTestContext(server.env);
      const slow = sql<{ slept: number }>`SELECT SLEEP(0.02) AS slept`.execute(context.db);
      expect((await slow).rows).toEqual([{ slept: 0 }]);
      await context.close();
    } finally {
      await setGlobal([usual(limit)]);
    }
  });

  it('all of it at once, for the processes that operators start', { timeout: 120_000 }, async () => {
    const all = Object.entries(ODD)
      .filter(
        ([name]) => !['the quotes and operators of another SQL', 'wrong data changed into other data'].includes(name),
      )
      .flatMap(([, settings]) => settings);
    await setGlobal(all);
    try {
      const context = await openTestContext(server.env);
      const worker = await startProcess('worker', context.env);
      const app = await openApp(context);
      try {
        const sale = await context.openSale({ seckillStock: HOSTILE.length });
        const orderNos = await Promise.all(HOSTILE.map((userId) => app.win(sale, userId)));
        for (const [i, orderNo] of orderNos.entries()) {
          await expect
            .poll(async () => (await app.get(`/api/v1/orders/${orderNo}`)).json<object>(), { timeout: 20_000 })
            .toMatchObject({ user_id: HOSTILE[i], status: 'pending_payment', price: 19.99 });
        }
        expect((await readSold(context.db, [sale.id])).get(sale.id)).toBe(HOSTILE.length);
      } finally {
        await app.close();
        expect(await worker.stop()).toBe(0);
        await context.close();
      }
    } finally {
      await setGlobal(all.map(usual));
    }
  });

  it('without a free connection: a process waits and says why, and starts when there is one', async () => {
    const context = await openTestContext(server.env);
    await setGlobal(['max_connections = 20']);
    const release = await takeAllConnections(context.config);
    const worker = launchProcess('worker', context.env);
    onTestFinished(() => void worker.child.kill('SIGKILL'));
    try {
      const said = await worker.says('waiting for MySQL');
      expect(said).toMatchObject({ err: { message: expect.stringMatching(/too many connections/i) } });
      await release();
      await setGlobal([usual('max_connections')]);
      await worker.says('worker ready');
      worker.child.kill('SIGTERM');
      expect((await worker.exited)[0]).toBe(0);
    } finally {
      await release();
      await setGlobal([usual('max_connections')]);
      await context.close();
    }
  }, 60_000);
});
