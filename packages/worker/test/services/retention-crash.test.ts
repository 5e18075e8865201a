import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { archivingSales, beginArchiving } from '../../src/retention/retention-table.ts';
import { openTestContext, type TestContext } from '@flash-sale/shared/testing/support.ts';
import { GOING_ON, NOTHING, oldSale, readArchive, round, rowCounts } from '../retired-sales.ts';

let context: TestContext;
let folder: string;
beforeEach(async () => {
  context = await openTestContext();
  folder = await mkdtemp(join(tmpdir(), 'flash-sale-archive-'));
  onTestFinished(async () => {
    await context.close();
    await rm(folder, { recursive: true });
  });
});

/**
 * Makes the next such statement fail, as a crash there does: what was not committed is rolled back.
 */
async function crashAt(when: string, table: string, condition: string): Promise<() => Promise<void>> {
  const { db } = context;
  await sql`
    CREATE TRIGGER crash BEFORE ${sql.raw(when)} ON ${sql.table(table)} FOR EACH ROW
    IF ${sql.raw(condition)} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'killed'; END IF`.execute(db);
  return async () => {
    await sql`DROP TRIGGER crash`.execute(db);
  };
}

describe('after a crash', () => {
  test('before the archive was on disk it is written again', async () => {
    const { sale } = await oldSale(context);
    const file = join(folder, 'not-a-folder');
    await writeFile(file, '');
    // A round that fails makes the process give up its lead.
    await expect(round(context, folder, file)).rejects.toThrow('EEXIST');
    expect(await archivingSales(context.db)).toMatchObject([{ id: sale.id, archived: false }]);
    expect((await rowCounts(context))['orders']).toBe(3);
    await rm(file);
    await round(context, folder);
    expect((await readArchive(folder)).lines.at(-1)).toEqual({ end: { orders: 3 } });
    expect(await rowCounts(context)).toEqual(NOTHING);
  });

  test('between the archive and its record in MySQL, the existing archive is kept', async () => {
    await oldSale(context);
    const repair = await crashAt('UPDATE', 'products', 'NEW.archived_at IS NOT NULL');
    await expect(round(context, folder)).rejects.toThrow('killed');
    await repair();
    expect((await rowCounts(context))['orders']).toBe(3);
    const { path } = await readArchive(folder);
    const { ino } = await stat(path);
    await round(context, folder);
    expect(await rowCounts(context)).toEqual(NOTHING);
    expect((await stat(path)).ino).toBe(ino);
    expect((await readArchive(folder)).lines.at(-1)).toEqual({ end: { orders: 3 } });
  });

  test.each([
    ['while orders are deleted', 'DELETE', 'orders', 'TRUE'],
    ['before the sale itself is deleted', 'DELETE', 'products', 'TRUE'],
  ])('%s the other rows are deleted, and the archive stays as it is', async (_when, statement, table, condition) => {
    await oldSale(context);
    const repair = await crashAt(statement, table, condition);
    await expect(round(context, folder)).rejects.toThrow('killed');
    await repair();
    expect((await rowCounts(context))['products']).toBe(1);
    const whole = await readArchive(folder);
    await round(context, folder);
    expect(await rowCounts(context)).toEqual(NOTHING);
    expect(await readArchive(folder)).toEqual(whole);
  });

  test('a process that was frozen while writing cannot replace the archive by a partial one', async () => {
    const { sale } = await oldSale(context);
    await beginArchiving(context.db, sale.id);
    const [archiving] = await archivingSales(context.db);
    const { writeArchive } = await import('../../src/retention/archive.ts');
    const target = { folder, dbName: context.config.DB_NAME };
    await writeArchive(context.db, archiving!, target, GOING_ON);
    await sql`DELETE FROM orders`.execute(context.db);
    await writeArchive(context.db, archiving!, target, GOING_ON);
    expect((await readArchive(folder)).lines.at(-1)).toEqual({ end: { orders: 3 } });
  });
});

test('two workers at once archive a sale once', async () => {
  await oldSale(context);
  await Promise.all([round(context, folder), round(context, folder)]);
  await round(context, folder);
  expect((await readArchive(folder)).lines.at(-1)).toEqual({ end: { orders: 3 } });
  expect(await rowCounts(context)).toEqual(NOTHING);
});
