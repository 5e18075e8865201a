import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { link, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import {
  ordersToArchive,
  readSaleToArchive,
  type ArchivingSale,
} from '@flash-sale/shared/retention/retention-table.ts';

const BATCH = 1_000;

export interface ArchiveTarget {
  readonly folder: string;
  /** Keeps apart what services with a common folder write there. */
  readonly db_name: string;
}

/** Named for when the archiving began, so that no archive of a restored or another sale is ever taken for this one or overwritten by it. */
export function archiveName({ db_name }: ArchiveTarget, { id, archiving_at }: ArchivingSale): string {
  return `${db_name}-sale-${id}-${archiving_at.toISOString().replaceAll(/[:.]/g, '')}.ndjson.gz`;
}

/**
 * Writes everything that MySQL has of a sale into one compressed file of JSON lines: the sale, a line for each order with its history and payments, and a
 * last line that counts them. The file has its name only when it is whole and on disk, and keeps it: a process that was frozen and writes after somebody
 * else has begun to delete cannot replace it.
 *
 * @param stopping aborted once somebody else archives, or this process ends; looked at before each batch
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
      // Written before by whoever died before it could say so. Nothing of the sale has changed since.
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
