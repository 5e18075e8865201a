import { sql } from 'kysely';
import { expect, test } from 'vitest';
import {
  isHistoryServed,
  isServedWithOtherKeys,
  noteHistory,
  noteServed,
} from '../../src/sale/redis-histories-table.ts';
import { testContext } from '../../testing/support.ts';

const context = await testContext();

const seenAgo = (historyId: string, ago: string) =>
  sql`UPDATE redis_histories SET seen_at = UTC_TIMESTAMP(3) - INTERVAL ${sql.raw(ago)} WHERE history_id = ${historyId}`.execute(
    context.db,
  );
const known = async (): Promise<string[]> => {
  const { rows } = await sql<{ history_id: string }>`SELECT history_id FROM redis_histories`.execute(context.db);
  return rows.map(({ history_id: historyId }) => historyId).toSorted();
};

test('a history counts as served while a worker reports it, and is deleted a day later when a new one begins', async () => {
  for (const historyId of ['old', 'recent', 'served']) await noteHistory(context.db, historyId);
  await seenAgo('old', '25 HOUR');
  await seenAgo('recent', '11 SECOND');
  // A sign of life of a known history forgets nothing.
  await noteHistory(context.db, 'served');
  expect(await known()).toEqual(['old', 'recent', 'served']);

  await noteHistory(context.db, 'new');
  expect(await known()).toEqual(['new', 'recent', 'served']);
  expect(await isHistoryServed(context.db, 'recent')).toBe(false);
  expect(await isHistoryServed(context.db, 'served')).toBe(true);
});

test('workers with other keys in the same history exclude each other, until those that came first are gone for 10 s', async () => {
  const { db } = context;
  const [first, second] = ['0 shop:', '1 shop:'];
  // A rebuild has noted the history without a place.
  await noteHistory(db, 'shared');
  expect(await noteServed(db, 'shared', first)).toBe(true);
  expect(await noteServed(db, 'shared', second)).toBe(false);
  expect(await isServedWithOtherKeys(db, 'shared', second)).toBe(true);
  expect(await isServedWithOtherKeys(db, 'shared', first)).toBe(false);
  await noteHistory(db, 'shared');
  expect(await noteServed(db, 'shared', first)).toBe(true);
  await seenAgo('shared', '11 SECOND');
  expect(await noteServed(db, 'shared', second)).toBe(true);
  expect(await noteServed(db, 'shared', first)).toBe(false);

  expect(await noteServed(db, 'unknown', first)).toBe(true);
  expect(await isHistoryServed(db, 'unknown')).toBe(true);
});
