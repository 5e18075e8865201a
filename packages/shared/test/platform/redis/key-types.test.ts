import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { auditSale } from '../../../src/reconciliation/audit.ts';
import { repairSale } from '../../../src/reconciliation/repair.ts';
import { rebuildSale } from '../../../src/reconciliation/rebuild.ts';
import { redisFault } from '../../../src/platform/redis/errors.ts';
import { typeOfKey } from '../../../src/platform/redis/key-types.ts';
import type { SaleKeys } from '../../../src/platform/redis/keys.ts';
import { buy, newAttempt, send } from '../../../testing/buying.ts';
import { placeOrders } from '../../../testing/ordering.ts';
import { testContext } from '../../../testing/support.ts';

const context = await testContext();

test('every key has the type that the documentation names', async () => {
  const page = await readFile(new URL('../../../../../docs/redis-keys.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `(v4:\S+)`.*? \| ([a-z ]+?)(?:,.*?)? \|/gm)];
  const ours = rows.filter(([, key]) => !/^v4:(check|queue):/.test(key!));
  expect(ours.length).toBeGreaterThan(30);
  for (const [, key, type] of ours) {
    const name = `shop:${key!.replace('{N}', '{3}').replace('ID', '17')}`;
    expect([key, typeOfKey(name)]).toEqual([key, type === 'sorted set' ? 'zset' : type]);
  }
});

test.each<keyof SaleKeys>(['state', 'owners', 'batches', 'batchTimes'])(
  'an overwritten key is named, its sale sells nothing, and is right again after it is deleted and repaired: %s',
  async (part) => {
    const sale = await context.openSale({ seckillStock: 5 });
    await placeOrders(context, sale, ['alice', 'bob']);
    await buy(context, sale, ['waits']);
    const key = context.keys.sale(sale)[part];
    const attempt = await newAttempt(context, sale, ['carol']);
    await context.redis.set(key, 'x');
    const refused = await send(context, attempt).then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    const must = part === 'batchTimes' ? 'zset' : 'hash';
    expect(refused?.message).toBe(`WRONGTYPE: "${key}" is a string and must be a ${must}`);
    expect(redisFault(refused)).toMatch(/overwritten with another type/);

    await context.redis.del(key);
    // As warm-up and the auditor, or an operator, do it.
    await rebuildSale(context, sale, 1_000);
    const found = await auditSale(context, sale, { waitMs: 1_000, thorough: true });
    if (found?.verdict === 'drift') await repairSale(context, sale.shard, found, 1_000);
    expect(await auditSale(context, sale, { waitMs: 1_000, thorough: true })).toMatchObject({ verdict: 'clean' });
    const { available, held } = await context.commands.readSale(sale);
    expect(available + held).toBe(5);
    expect(held).toBeGreaterThanOrEqual(2);
  },
);
