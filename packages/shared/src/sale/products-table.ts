import { randomBytes } from 'node:crypto';
import { sql, type Selection } from 'kysely';
import type { ProductTexts, Sale, SaleWithTexts, WaitingRoom } from './sale.ts';
import type { Db, Tx } from '../platform/mysql/client.ts';
import { LEDGER_NOW } from '../platform/mysql/clock.ts';
import type { Database } from '../platform/mysql/schema.ts';

/** What an operator sends to create a sale. */
export type NewSale = Pick<Sale, 'shard' | 'name' | 'priceCents' | 'stock' | 'seckillStock' | 'startMs' | 'endMs'> &
  Partial<ProductTexts & Pick<Sale, 'unitsPerShopper'>> & { readonly room?: NewRoom | null };

/** The waiting room of a new sale. Its secrets are made at creation, unless they are given. */
type NewRoom = Pick<WaitingRoom, 'opensAtMs'> & Partial<WaitingRoom>;

const SECRET_BYTES = 32;

const FACTS = [
  'id',
  'shard',
  'name',
  'price_cents as priceCents',
  'stock',
  'seckill_stock as seckillStock',
  'units_per_shopper as unitsPerShopper',
  'start_time as startTime',
  'end_time as endTime',
  'version',
  'paused',
  'pause_version as pauseVersion',
  'cleaned_at as cleanedAt',
  'room_opens_at as roomOpensAt',
  'room_admit_per_second as roomAdmitPerSecond',
  'room_seed as roomSeed',
  'room_ticket_key as roomTicketKey',
  'room_drawn_at as roomDrawnAt',
] as const;
const COLUMNS = [...FACTS, 'description', 'image_url as imageUrl'] as const;

function saleOf<Row extends Selection<Database, 'products', (typeof FACTS)[number]>>(row: Row) {
  const { startTime, endTime, paused, cleanedAt, ...others } = row;
  const { roomOpensAt, roomAdmitPerSecond, roomSeed, roomTicketKey, roomDrawnAt, ...same } = others;
  return {
    ...same,
    startMs: startTime.getTime(),
    endMs: endTime.getTime(),
    paused: paused === 1,
    cleaned: cleanedAt !== null,
    room:
      roomOpensAt === null
        ? null
        : {
            opensAtMs: roomOpensAt.getTime(),
            admitPerSecond: roomAdmitPerSecond,
            seed: roomSeed!,
            ticketKey: roomTicketKey!,
            isDrawn: roomDrawnAt !== null,
          },
  };
}

function newRoomOf({ opensAtMs, admitPerSecond = null, ...secrets }: NewRoom): WaitingRoom {
  const newSecret = (): string => randomBytes(SECRET_BYTES).toString('hex');
  return { seed: newSecret(), ticketKey: newSecret(), ...secrets, opensAtMs, admitPerSecond, isDrawn: false };
}

export async function insertSale(db: Db, sale: NewSale): Promise<SaleWithTexts> {
  const { shard, name, stock, unitsPerShopper = 1, description = null, imageUrl = null } = sale;
  const room = sale.room ? newRoomOf(sale.room) : null;
  const { insertId } = await db
    .insertInto('products')
    .values({
      shard,
      name,
      stock,
      price_cents: sale.priceCents,
      seckill_stock: sale.seckillStock,
      units_per_shopper: unitsPerShopper,
      start_time: new Date(sale.startMs),
      end_time: new Date(sale.endMs),
      description,
      image_url: imageUrl,
      room_opens_at: room && new Date(room.opensAtMs),
      room_admit_per_second: room && room.admitPerSecond,
      room_seed: room && room.seed,
      room_ticket_key: room && room.ticketKey,
      created_at: LEDGER_NOW,
    })
    .executeTakeFirstOrThrow();
  const state = { version: 1, paused: false, pauseVersion: 0, cleaned: false };
  return { ...sale, unitsPerShopper, description, imageUrl, room, id: Number(insertId), ...state };
}

/** Deletes a sale that was inserted in the same transaction. Its id is not used again. */
export async function deleteNewSale(tx: Tx, id: number): Promise<void> {
  await tx.deleteFrom('products').where('id', '=', id).execute();
}

/** The sale, or undefined if it does not exist or is being archived. */
export async function findSale(db: Db, id: number): Promise<SaleWithTexts | undefined> {
  const [sale] = await findSales(db, [id]);
  return sale;
}

/** Those of these sales that exist and are not being archived, in any order. */
export async function findSales(db: Db, ids: readonly number[]): Promise<SaleWithTexts[]> {
  const rows = await db
    .selectFrom('products')
    .select(COLUMNS)
    .where('id', 'in', ids)
    .where('archiving_at', 'is', null)
    .execute();
  return rows.map(saleOf);
}

/** Sales with an id below `beforeId`, if it is given; newest first. */
export async function listSales(db: Db, limit: number, beforeId?: number): Promise<SaleWithTexts[]> {
  const rows = await db
    .selectFrom('products')
    .select(COLUMNS)
    .where('archiving_at', 'is', null)
    .$if(beforeId !== undefined, (query) => query.where('id', '<', beforeId!))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  return rows.map(saleOf);
}

/** Sales that Redis keeps, without their texts: there may be thousands, read again and again. */
export async function salesToKeep(db: Db): Promise<Sale[]> {
  const rows = await db
    .selectFrom('products')
    .select(FACTS)
    .where('cleaned_at', 'is', null)
    .orderBy('start_time')
    .execute();
  return rows.map(saleOf);
}

/** Changes whenever a sale that Redis keeps is added, removed or changed. Read from one index. */
export async function keptSalesVersion(db: Db): Promise<string> {
  const { sales, newest, versions, pauses } = await db
    .selectFrom('products')
    .select(({ fn }) => [
      fn.countAll<number | string>().as('sales'),
      fn.max('id').as('newest'),
      fn.sum<number | string | null>('version').as('versions'),
      fn.sum<number | string | null>('pause_version').as('pauses'),
    ])
    .where('cleaned_at', 'is', null)
    .executeTakeFirstOrThrow();
  return [sales, newest, versions, pauses].join();
}

/** The units of live orders that the ledger counts, for each of these sales. */
export async function readSold(db: Db, ids: readonly number[]): Promise<Map<number, number>> {
  if (ids.length === 0) return new Map();
  const rows = await db.selectFrom('products').select(['id', 'sold']).where('id', 'in', ids).execute();
  return new Map(rows.map(({ id, sold }) => [id, sold]));
}

/** The shards that have sales. Workers serve all of them, whatever shards new sales use. */
export async function listShards(db: Db): Promise<number[]> {
  const rows = await db.selectFrom('products').select('shard').distinct().execute();
  return rows.map(({ shard }) => shard);
}

/**
 * Pauses or resumes a sale. Returns it with its new `pauseVersion`, or undefined if it does not
 * exist.
 */
export async function updatePaused(db: Db, id: number, paused: boolean): Promise<SaleWithTexts | undefined> {
  await db
    .updateTable('products')
    .set({ paused: paused ? 1 : 0, pause_version: sql`pause_version + 1` })
    .where('id', '=', id)
    .where('archiving_at', 'is', null)
    .execute();
  return findSale(db, id);
}

/**
 * Locks the sale's row in this transaction and returns the sale; undefined if another fencing token
 * is stamped.
 */
export async function lockFacts(tx: Tx, id: number, fence: number): Promise<SaleWithTexts | undefined> {
  const row = await tx
    .selectFrom('products')
    .select(COLUMNS)
    .where('id', '=', id)
    .where('fence', '=', fence)
    .forUpdate()
    .executeTakeFirst();
  return row && saleOf(row);
}

/** Writes the facts of a sale that may change, in a transaction that has locked its row. */
export async function updateFacts(tx: Tx, sale: SaleWithTexts): Promise<void> {
  const { id, name, stock, description, version } = sale;
  await tx
    .updateTable('products')
    .set({
      name,
      stock,
      description,
      version,
      price_cents: sale.priceCents,
      seckill_stock: sale.seckillStock,
      units_per_shopper: sale.unitsPerShopper,
      start_time: new Date(sale.startMs),
      end_time: new Date(sale.endMs),
      image_url: sale.imageUrl,
      room_opens_at: sale.room && new Date(sale.room.opensAtMs),
    })
    .where('id', '=', id)
    .execute();
}

/** Deletes a sale that has no order, in a transaction that has locked its row. */
export async function deleteSaleRows(tx: Tx, id: number): Promise<void> {
  await tx.deleteFrom('sale_counters').where('product_id', '=', id).execute();
  await tx.deleteFrom('repairs').where('product_id', '=', id).execute();
  await tx.deleteFrom('gates').where('product_id', '=', id).execute();
  await tx.deleteFrom('products').where('id', '=', id).execute();
}

/** Which of these sales are in the ledger, archived ones included. */
export async function whichExist(db: Db, ids: readonly number[]): Promise<number[]> {
  if (ids.length === 0) return [];
  const rows = await db.selectFrom('products').select('id').where('id', 'in', ids).execute();
  return rows.map(({ id }) => id);
}

export async function addSold(tx: Tx, id: number, units: number): Promise<void> {
  await tx
    .updateTable('products')
    .set({ sold: sql`sold + ${units}` })
    .where('id', '=', id)
    .execute();
}
