import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { link, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { ordersToArchive, readSaleToArchive, type ArchivingSale } from './retention-table.ts';

const BATCH = 1_000;

export interface ArchiveTarget {
  readonly folder: string;
  /** Separates the archives of services that share a folder. */
  readonly dbName: string;
}

/**
 * The name contains the time when archiving began, so that an archive of a restored or another sale
 * is never mistaken for this one or overwritten by it.
 */
function archiveName({ dbName }: ArchiveTarget, { id, archivingAt }: ArchivingSale): string {
  return `${dbName}-sale-${id}-${archivingAt.toISOString().replaceAll(/[:.]/g, '')}.ndjson.gz`;
}

/**
 * Writes all rows of a sale into one compressed file of JSON lines: the sale, a line for each order
 * with its history and payments, and a last line with their number. The file gets its name only
 * when it is complete and on disk, and an existing file is never replaced: a process that was
 * frozen cannot overwrite it after another one has begun to delete.
 *
 * @param stopping aborted when another process archives the sale, or this process ends; checked
 * before each batch
 * @returns its path
 */
export async function writeArchive(
  db: Db,
  sale: ArchivingSale,
  target: ArchiveTarget,
  stopping: AbortSignal,
): Promise<string> {
  await mkdir(target.folder, { recursive: true, mode: 0o700 });
  const path = join(target.folder, archiveName(target, sale));
  const partial = `${path}.${randomUUID()}.partial`;
  let orders = 0;
  async function* lines(): AsyncGenerator<string> {
    yield lineOf({ sale: await readSaleToArchive(db, sale.id) });
    for (let after = ''; ;) {
      if (stopping.aborted) throw new Error('Another process archives this sale, or this process is stopping');
      const batch = await ordersToArchive(db, sale.id, after, BATCH);
      const last = batch.at(-1);
      if (last === undefined) break;
      yield batch.map((order) => lineOf({ order })).join('');
      orders += batch.length;
      after = last.user_id;
    }
    yield lineOf({ end: { orders } });
  }
  try {
    const file = createWriteStream(partial, { mode: 0o600, flush: true });
    await pipeline(Readable.from(lines()), createGzip(), file);
    await link(partial, path).catch((error: NodeJS.ErrnoException) => {
      // An earlier process wrote it and crashed before it recorded that. Nothing of the sale has
      // changed since.
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(partial, { force: true });
  }
  const folder = await open(target.folder);
  await folder.sync().finally(() => folder.close());
  return path;
}

const lineOf = (value: object): string => `${JSON.stringify(value)}\n`;
