import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { auditAll, auditText } from '../../src/reconciliation/audit-all.ts';
import type { Sale } from '../../src/sale/sale.ts';
import { runProgram } from '../../testing/program.ts';
import { openTestContext, type TestContext } from '../../testing/support.ts';
import { openSaleInOrder } from './audited-sale.ts';

let context: TestContext;
let sale: Sale;

beforeAll(async () => {
  context = await openTestContext();
});
afterAll(() => context.close());

beforeEach(async () => {
  sale = await openSaleInOrder(context);
});

describe('npm run audit', () => {
  /** Runs it as an operator does. */
  const runWith = (env: Record<string, string>, ...args: string[]) =>
    runProgram(['packages/shared/src/reconciliation/audit-command.ts', ...args], { ...context.env, ...env });
  const run = (...args: string[]) => runWith({}, ...args);

  /** Does the same in this process: to start one for each audit takes half a second of CPU. */
  const audit = async (options = { repair: false }) => {
    const audited = await auditAll(context.config, options);
    return { clean: audited.clean, output: auditText(audited, options) };
  };
  const repair = () => audit({ repair: true });

  it('prints a row per sale; exit code 1 if a sale drifts, 0 after its repair', async () => {
    // Other tests of this file leave their sales as they are.
    await sql`UPDATE products SET cleaned_at = created_at WHERE id <> ${sale.id}`.execute(context.db);
    await expect(audit()).resolves.toMatchObject({ clean: true });

    await context.redis.hincrby(context.keys.sale(sale).state, 'available', 1);
    const drift = await run();
    expect(drift.code).toBe(1);
    expect(drift.said).toContain('available 6 + held 5 is not seckill_stock 10');

    await expect(repair()).resolves.toMatchObject({ clean: false });
    await expect(run()).resolves.toMatchObject({ code: 0 });
  });

  it('--repair adds late orders to the queue again, as the repair of the API does: it left them', async () => {
    await sql`UPDATE products SET cleaned_at = created_at WHERE id <> ${sale.id}`.execute(context.db);
    const { batches, batchTimes } = context.keys.sale(sale);
    const [batchNo] = await context.redis.hkeys(batches);
    await context.redis.zincrby(batchTimes, -60_000, batchNo!);
    const waiting = `${context.keys.queuePrefix(sale.shard)}:orders:wait`;
    await expect(audit()).resolves.toMatchObject({ clean: false });
    expect(await context.redis.llen(waiting)).toBe(0);
    const { said, complained } = await run('--repair');
    expect([said, complained]).toEqual([expect.stringContaining('its orders are in the queue again'), '']);
    expect(await context.redis.llen(waiting)).toBe(1);
  });

  it('compares the outbox with the sales and repairs it with --repair only, as the auditor does: it did not look', async () => {
    await sql`UPDATE products SET cleaned_at = created_at WHERE id <> ${sale.id}`.execute(context.db);
    const { redis, keys } = context;
    await redis.zadd(keys.outbox(sale.shard), Date.now(), 900_000);
    const waiting = Number(await redis.get(keys.backlog(sale.shard)));
    await redis.incrby(keys.backlog(sale.shard), 7);
    const found = [
      `shard 0: ${waiting + 7} orders are counted as waiting, its sales have ${waiting}`,
      'shard 0: its outbox has sales without batches: 900000',
    ];
    const outboxes = [{ shard: 0, verdict: 'drift', findings: found.map((line) => line.slice('shard 0: '.length)) }];

    const drift = await run('--json');
    expect([drift.code, JSON.parse(drift.said)]).toMatchObject([1, { clean: false, outboxes }]);
    expect((await audit()).output).toContain(found.join('\n'));
    expect(await repair()).toEqual({
      clean: false,
      output: expect.stringContaining('shard 0: its outbox is repaired'),
    });
    expect(Number(await redis.get(keys.backlog(sale.shard)))).toBe(waiting);
    expect((await context.commands.outbox(sale.shard)).map(({ saleId }) => saleId)).not.toContain(900_000);
    await expect(audit()).resolves.toMatchObject({ clean: true });
  });

  it('touches nothing of another database: with a wrong DB_NAME, it would rebuild a sale that sells', async () => {
    await audit();
    const other = await openTestContext({ REDIS_PREFIX: context.config.REDIS_PREFIX });
    await other.insertSale({ shard: sale.shard });
    const { state, lease } = context.keys.sale(sale);
    const before = await context.redis.hgetall(state);
    const { code, said, complained } = await runWith({ DB_NAME: other.config.DB_NAME }, '--repair');
    expect([code, said]).toEqual([1, '']);
    expect(complained).toContain('belong to another database');
    expect(await context.redis.hgetall(state)).toEqual(before);
    expect(await context.redis.exists(lease)).toBe(0);
    await other.close();
  });

  it.each([
    ['MySQL', { DB_HOST: '127.0.0.1', DB_PORT: '1' }],
    ['Redis', { REDIS_ADDR: '127.0.0.1:1' }],
  ])('reports a %s that is away in one line: it printed a stack trace', async (server, env) => {
    for (const answer of await Promise.all([runWith(env), runWith(env, '--repair')])) {
      expect(answer).toEqual({
        said: '',
        complained: `${server} does not do what it was asked to: connect ECONNREFUSED 127.0.0.1:1\n`,
        code: 1,
      });
    }
  });
});
