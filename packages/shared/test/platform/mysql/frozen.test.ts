import { sql } from 'kysely';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connectDb, type PoolUse } from '../../../src/platform/mysql/client.ts';
import { testContext } from '../../../testing/support.ts';

const context = await testContext();

/**
 * A sale continues within 10 s (promise 11). The server needs half of that to notice, and then
 * another process must try again.
 */
const FREED_MS_MAX = 8_000;

/**
 * Locks and changes the sale's row and then says nothing any more, as a process does that is frozen
 * or whose machine is lost.
 */
async function freezeInTransaction(use: PoolUse, saleId: number): Promise<void> {
  const frozen = connectDb({ ...context.config, DB_POOL_MAX: 1 }, use);
  const tx = await frozen.startTransaction().execute();
  onTestFinished(async () => {
    await tx
      .rollback()
      .execute()
      .catch(() => undefined);
    await frozen.destroy();
  });
  await tx.updateTable('products').set({ sold: 1 }).where('id', '=', saleId).execute();
}

/** How long repeated attempts wait for the sale's row. */
async function timeToLock(saleId: number): Promise<number> {
  const beganMs = performance.now();
  const db = connectDb({ ...context.config, DB_POOL_MAX: 1 }, 'lease');
  onTestFinished(() => db.destroy());
  for (;;) {
    try {
      await db.updateTable('products').set({ stock: 1_000_001 }).where('id', '=', saleId).execute();
      return performance.now() - beganMs;
    } catch (error) {
      // The lock was not had in the time that one try waits for it.
      if ((error as { errno?: number }).errno !== 1205) throw error;
    }
  }
}

describe.each<PoolUse>(['general', 'lease'])('a process that is frozen in a transaction of the pool %s', (use) => {
  test('loses its row locks within seconds, and commits nothing', { timeout: 40_000 }, async () => {
    const { id } = await context.insertSale();
    await freezeInTransaction(use, id);
    expect(await timeToLock(id)).toBeLessThan(FREED_MS_MAX);
    const row = await context.db.selectFrom('products').select(['sold', 'stock']).where('id', '=', id).execute();
    expect(row).toEqual([{ sold: 0, stock: 1_000_001 }]);
  });
});

/** What a session is given by the server, by name. */
async function variablesOf(use: PoolUse, ...names: string[]): Promise<Record<string, number>> {
  const db = connectDb({ ...context.config, DB_POOL_MAX: 1 }, use);
  onTestFinished(() => db.destroy());
  const { rows } = await sql<{ Variable_name: string; Value: string }>`
    SHOW SESSION VARIABLES WHERE Variable_name IN (${names})`.execute(db);
  return Object.fromEntries(rows.map((row) => [row.Variable_name, Number(row.Value)]));
}

test('a process that freezes while it sends a statement, or reads an answer, is disconnected as soon', async () => {
  // The server waits for the rest of a statement for `net_read_timeout`, which is 30 s by default,
  // and to be read for 60 s.
  for (const use of ['general', 'lease'] as const) {
    expect(await variablesOf(use, 'wait_timeout', 'net_read_timeout', 'net_write_timeout')).toEqual({
      wait_timeout: 5,
      net_read_timeout: 5,
      net_write_timeout: 5,
    });
  }
});

test('a process that freezes during a migration does not stop others from starting', async () => {
  expect(await variablesOf('schema', 'wait_timeout', 'net_read_timeout')).toEqual({
    wait_timeout: 10,
    net_read_timeout: 10,
  });
});

describe('a pool that was quiet for longer than the server keeps its connections', () => {
  test('opens new ones without an error', { timeout: 30_000 }, async () => {
    const db = connectDb(context.config, 'general');
    onTestFinished(() => db.destroy());
    const connections = () =>
      Promise.all(
        [1, 2, 3].map(async () => {
          const { rows } = await sql<{ id: number }>`SELECT CONNECTION_ID() AS id, SLEEP(0.05)`.execute(db);
          return rows[0]!.id;
        }),
      );
    const before = await connections();
    const ids = before.join(',');
    // They are gone from the server by the pool's own hand, before `wait_timeout`.
    await expect
      .poll(
        async () => {
          const { rows } = await sql<{ n: number }>`
            SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE FIND_IN_SET(ID, ${ids})`.execute(context.db);
          return rows[0]!.n;
        },
        { timeout: 4_500, interval: 50 },
      )
      .toBe(0);
    const after = await connections();
    expect(after.filter((id) => before.includes(id))).toEqual([]);
  });
});
