import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { createCommands } from '@flash-sale/shared/commands.ts';
import { loadConfig } from '@flash-sale/shared/platform/config/config.ts';
import { connectRedis } from '@flash-sale/shared/platform/redis/client.ts';
import { Keys } from '@flash-sale/shared/platform/redis/keys.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import { openOwnRedis, type OwnServer } from '../testing/own-servers.ts';
import { launchProcess, startProcess } from '../testing/service.ts';
import { testContext } from '../testing/support.ts';

const WAITING = 'waiting: other workers serve the sales';

const context = await testContext();
let other: OwnServer;

beforeAll(async () => {
  other = await openOwnRedis();
});
afterAll(() => other.close());

it.each<[string, () => Record<string, string>, string]>([
  ['a wrong REDIS_ADDR', () => other.env, `${WAITING} on another Redis. Correct REDIS_ADDR, or end them`],
  [
    'another REDIS_PREFIX, which would sell each unit again',
    () => ({ REDIS_PREFIX: `${context.config.REDIS_PREFIX}other:` }),
    `${WAITING} on this Redis with another REDIS_PREFIX or database number. Correct it, or end them`,
  ],
])(
  'a worker with %s takes no sale from the others, and begins when nobody serves them',
  { timeout: 90_000 },
  async (_, envOf, waiting) => {
    const sale = await context.insertSale();
    const right = await startProcess('worker', context.env);
    const isReady = async () => (await context.commands.readSale(sale)).ready;
    await expect.poll(isReady, SOON).toBe(true);
    const env = { ...context.env, ...envOf() };
    const config = loadConfig(env);
    const elsewhere = connectRedis(config, 'background');
    const isReadyElsewhere = async () =>
      (await createCommands(elsewhere, new Keys(config.REDIS_PREFIX)).readSale(sale)).ready;
    onTestFinished(() => elsewhere.disconnect());

    const wrong = launchProcess('worker', env);
    await wrong.says(waiting);
    expect([await isReady(), await isReadyElsewhere()]).toEqual([true, false]);

    // It may be the new server after the old one was lost, with all data.
    await right.kill();
    await sql`UPDATE redis_histories SET seen_at = seen_at - INTERVAL 1 MINUTE`.execute(context.db);
    await wrong.says('worker ready');
    await expect.poll(isReadyElsewhere, SOON).toBe(true);
    wrong.child.kill('SIGTERM');
    expect((await wrong.exited)[0]).toBe(0);
  },
);
