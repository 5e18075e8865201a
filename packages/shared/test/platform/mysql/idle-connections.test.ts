import { sql } from 'kysely';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { setTimeout as delay } from 'node:timers/promises';
import { connectDb } from '../../../src/platform/mysql/client.ts';
import { openTestContext, type TestContext } from '../../../testing/support.ts';

let context: TestContext;
beforeAll(async () => {
  context = await openTestContext();
});
afterAll(() => context.close());

/** mysql2 looks for idle connections once a second. */
const LOOK_MS = 1_000;
const IDLE_MS_MAX = 2_000;

test('a connection in regular use stays open: each second all free ones were closed', async () => {
  const db = connectDb(context.config, 'general');
  onTestFinished(() => db.destroy());
  const connectionId = async (): Promise<unknown> =>
    (await sql<{ id: number }>`SELECT CONNECTION_ID() AS id`.execute(db)).rows[0]!.id;
  const first = await connectionId();
  const beganMs = performance.now();
  while (performance.now() - beganMs < 2 * LOOK_MS + IDLE_MS_MAX) {
    await delay(200);
    expect(await connectionId()).toBe(first);
  }
  // Nobody uses it: the pool closes it before the server does.
  await delay(IDLE_MS_MAX + 2 * LOOK_MS);
  expect(await connectionId()).not.toBe(first);
});
