import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import { openOwnRedis, type OwnServer } from '../testing/own-servers.ts';
import { launchProcess, startProcess } from '../testing/service.ts';
import { testContext } from '../testing/support.ts';

const WAITING = 'waiting: other workers serve the sales on another Redis. Correct REDIS_ADDR, or end them';

const context = await testContext();
let other: OwnServer;

beforeAll(async () => {
  other = await openOwnRedis();
});
afterAll(() => other.close());

it(
  'a worker with a wrong REDIS_ADDR takes no sale from the others, and begins when nobody serves them',
  { timeout: 90_000 },
  async () => {
    const sale = await context.insertSale();
    const right = await startProcess('worker', context.env);
    const isReady = async () => (await context.commands.readSale(sale)).ready;
    await expect.poll(isReady, SOON).toBe(true);
    const historyOf = async () =>
      (await context.db.selectFrom('products').select('history_id').where('id', '=', sale.id).executeTakeFirstOrThrow())
        .history_id;
    const history = await historyOf();

    const wrong = launchProcess('worker', { ...context.env, ...other.env });
    await wrong.says(WAITING);
    expect([await isReady(), await historyOf()]).toEqual([true, history]);

    // It may be the new server after the old one was lost, with all data.
    await right.kill();
    await sql`UPDATE redis_histories SET seen_at = seen_at - INTERVAL 1 MINUTE`.execute(context.db);
    await wrong.says('worker ready');
    await expect.poll(historyOf, SOON).not.toBe(history);
    wrong.child.kill('SIGTERM');
    expect((await wrong.exited)[0]).toBe(0);
  },
);
