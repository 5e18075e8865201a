import { afterEach, describe, expect, it, vi } from 'vitest';
import { auditSale } from '@flash-sale/shared/reconciliation/audit.ts';
import { startMysqlPair, type MysqlPair } from '../../../../infra/src/services/mysql-replication.ts';
import type { PrivateServer } from '../../../../infra/src/services/private-server.ts';
import { openMovingName, type MovingName } from '../../testing/moving-name.ts';
import { AS_OPERATOR, openTestContext, type TestContext } from '../../testing/support.ts';
import { openOwnFolder, type OwnFolder } from '@flash-sale/shared/testing/own-folder.ts';
import { startService, type Service } from '../../testing/service.ts';
import { each, outcomeOf, Shoppers } from '../../testing/shoppers.ts';
import { expectPromisesKept, watchConservation } from './promises.ts';

const UNITS = 100;
const SHOPPERS = 150;
const AT_ONCE = 20;
/** After how many 202s the primary is lost: in the middle of the sale. */
const STRUCK_AFTER = 40;
const PASSWORD = 'ownMysql';
/** Until a server has seen what it needs to see, on a machine that is busy with other tests. */
const SEEN = { timeout: 40_000, interval: 50 };

let folder: OwnFolder;
let pair: MysqlPair;
let name: MovingName;
let context: TestContext;
let service: Service;
let shoppers: Shoppers;

async function startAll({ semiSync }: { readonly semiSync: boolean }): Promise<void> {
  folder = openOwnFolder();
  pair = await startMysqlPair({ dataDir: folder.dataDir, password: PASSWORD, semiSync });
  name = await openMovingName(pair.primary);
  // An account that may not write to a server that is read-only, unlike one with all rights.
  for (const statement of [
    `CREATE USER service@'127.0.0.1' IDENTIFIED BY '${PASSWORD}'`,
    "GRANT ALL PRIVILEGES ON `t%`.* TO service@'127.0.0.1'",
  ])
    await pair.query(pair.primary, statement);
  context = await openTestContext({
    DB_HOST: name.host,
    DB_PORT: String(name.port),
    DB_USER: 'service',
    DB_PASSWORD: PASSWORD,
  });
  service = await startService(context, { apis: 1, workers: 1 });
  shoppers = new Shoppers(service.url);
}

afterEach(async () => {
  await service.stop();
  shoppers.close();
  await context.close();
  await name.close();
  await folder.close();
}, 60_000);

const usersOf = (of: string, count: number) => Array.from({ length: count }, (_, i) => `${of}${i}`);

/** Each of them buys; the order number of each → the shopper. */
async function buyAll(id: number, users: readonly string[]): Promise<Map<string, string>> {
  const bought = await each(users, AT_ONCE, async (user) => {
    const { order_no: orderNo } = outcomeOf(await shoppers.buy(id, user, await shoppers.token(id, user)));
    return [orderNo!, user] as const;
  });
  return new Map(bought);
}

const endsOf = (orders: Iterable<string>) =>
  each([...orders], AT_ONCE, (orderNo) => shoppers.settled(orderNo)).then((ends) => new Set(ends));

/** How many orders one of the servers has. */
async function ordersOn(server: PrivateServer): Promise<number> {
  const [row] = await pair.query(server, `SELECT COUNT(*) AS orders FROM ${context.config.DB_NAME}.orders`);
  return Number(row!['orders']);
}

describe('a semi-synchronous replica is promoted in mid-sale', () => {
  it.each<[string, NodeJS.Signals]>([
    ['is killed', 'SIGKILL'],
    ['hangs', 'SIGSTOP'],
  ])(
    'and buys go on in between and every accepted order is kept, when the primary %s',
    async (_how, signal) => {
      await startAll({ semiSync: true });
      const id = await shoppers.openSale(UNITS);
      const crowd = usersOf('shopper', SHOPPERS);
      const tokens = await each(crowd, AT_ONCE, (user) => shoppers.token(id, user));
      const accepted = new Map<string, string>();
      const watch = watchConservation(context, id);
      let isStruck = false;
      const outcomes = await each(crowd, AT_ONCE, (user, i) =>
        shoppers.buyUntilDecided(id, user, tokens[i]!, (orderNo) => {
          accepted.set(orderNo, user);
          if (accepted.size < STRUCK_AFTER || isStruck) return;
          isStruck = true;
          pair.primary.kill(signal);
        }),
      );
      // Nobody has been promoted yet, and the last unit is sold.
      expect(accepted.size).toBe(UNITS);
      expect(
        new Set(outcomes.filter(({ order_no: orderNo }) => orderNo === undefined).map(({ code }) => code)),
      ).toEqual(new Set(['sold_out']));
      await pair.promote();
      name.leadTo(pair.replica);

      expect(await endsOf(accepted.keys())).toEqual(new Set(['pending_payment']));
      expect(await watch.stop()).toMatchObject({ violations: [] });
      await expectPromisesKept(context, { id, seckill_stock: UNITS, sold: UNITS }, accepted);
      expect(await ordersOn(pair.replica)).toBe(UNITS);
      // Until then, a process that is told to end would wait for an answer of the old primary.
      await vi.waitFor(() => expect(name.connectionsTo(pair.primary)).toBe(0), SEEN);
    },
    120_000,
  );
});

it('a switch of servers behind one name needs no restart: connections to the read-only one are closed', async () => {
  await startAll({ semiSync: true });
  const id = await shoppers.openSale(UNITS);
  const before = await buyAll(id, usersOf('before', 20));
  expect(await endsOf(before.keys())).toEqual(new Set(['pending_payment']));

  // The old primary is read-only and no other server takes writes yet: buys are accepted and wait.
  for (const [server, readOnly] of [
    [pair.primary, 1],
    [pair.replica, 1],
  ] as const)
    await pair.query(server, `SET GLOBAL read_only = ${readOnly}`);
  const meanwhile = await buyAll(id, usersOf('meanwhile', 20));
  await vi.waitFor(() => {
    const log = service.workers.flatMap((worker) => worker.log);
    expect(log.some(({ msg }) => msg === 'retrying the transaction')).toBe(true);
  }, SEEN);
  expect(await ordersOn(pair.primary)).toBe(20);
  const nobody = { user_id: 'nobody' };
  const write = async () => (await shoppers.call('POST', '/api/v1/admin/deny-list', nobody, AS_OPERATOR)).status;

  await pair.promote();
  // A refused write closes the connections of its process, which otherwise stay open until they are
  // idle. One that was opened meanwhile may cost one more attempt.
  expect(await write()).toBe(503);
  name.leadTo(pair.replica);
  expect([await write(), await write()]).toContain(200);
  expect(await endsOf(meanwhile.keys())).toEqual(new Set(['pending_payment']));
  const after = await buyAll(id, usersOf('after', 20));
  expect(await endsOf(after.keys())).toEqual(new Set(['pending_payment']));
  await vi.waitFor(() => expect(name.connectionsTo(pair.primary)).toBe(0), SEEN);
  expect(await ordersOn(pair.primary)).toBe(20);
  await expectPromisesKept(
    context,
    { id, seckill_stock: UNITS, sold: 60 },
    new Map([...before, ...meanwhile, ...after]),
  );
}, 120_000);

it('orders that an asynchronous replica had not received are lost: 404, their units are for sale, nothing is sold twice', async () => {
  await startAll({ semiSync: false });
  const id = await shoppers.openSale(UNITS);
  const kept = await buyAll(id, usersOf('kept', 20));
  expect(await endsOf(kept.keys())).toEqual(new Set(['pending_payment']));
  await vi.waitFor(async () => expect(await ordersOn(pair.replica)).toBe(20), SEEN);

  await pair.cutOff();
  const lost = await buyAll(id, usersOf('lost', 30));
  expect(await endsOf(lost.keys())).toEqual(new Set(['pending_payment']));
  pair.primary.kill('SIGKILL');
  // Not in the ledger of the old primary, so not lost with it.
  const meanwhile = await buyAll(id, usersOf('meanwhile', 10));
  await pair.promote();
  name.leadTo(pair.replica);
  expect(await endsOf(meanwhile.keys())).toEqual(new Set(['pending_payment']));

  // Nobody can pay for one of them, before the repair as after it.
  const [[lostOrder, shopper]] = [...lost] as [[string, string]];
  const payment = await shoppers.call('POST', `/api/v1/orders/${lostOrder}/pay`, { user_id: shopper });
  expect([404, 409]).toContain(payment.status);

  // The auditor finds owners without an order, and repairs the sale.
  await vi.waitFor(async () => {
    const { body } = await shoppers.call('GET', `/api/v1/products/${id}`);
    expect(JSON.parse(body)).toMatchObject({ status: 'open', available: UNITS - 30 });
  }, SEEN);
  const polls = await each([...lost.keys()], AT_ONCE, (orderNo) => shoppers.call('GET', `/api/v1/orders/${orderNo}`));
  expect(new Set(polls.map(({ status }) => status))).toEqual(new Set([404]));
  // To them as to anybody.
  const again = await buyAll(id, [...lost.values()]);
  expect([...again.keys()].filter((orderNo) => lost.has(orderNo))).toEqual([]);
  const rest = await buyAll(id, usersOf('rest', UNITS - 60));
  const all = new Map([...kept, ...meanwhile, ...again, ...rest]);
  expect(await endsOf(all.keys())).toEqual(new Set(['pending_payment']));
  const late = outcomeOf(await shoppers.buy(id, 'late', await shoppers.token(id, 'late')));
  expect(late).toEqual({ code: 'sold_out' });
  await expectPromisesKept(context, { id, seckill_stock: UNITS, sold: UNITS }, all);
  const audit = await auditSale(context, { id, shard: 0 }, { waitMs: 10_000, thorough: true });
  expect(audit).toMatchObject({ verdict: 'clean', held: UNITS, liveOrders: UNITS, available: 0 });
}, 120_000);
