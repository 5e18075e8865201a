import { sql } from 'kysely';
import type { Db } from '../platform/mysql/client.ts';
import { LEDGER_NOW } from '../platform/mysql/clock.ts';
import { CLOSED_GATE, type Gate } from './gate.ts';
import { callsOfText, textOfCalls } from './waiting-room-commands.ts';

/** A gate in the ledger, with what else it has of its room. */
export interface GateRow {
  readonly gate: Gate;
  /** The end of the line of late shoppers, as last saved. */
  readonly late: number;
  readonly isDrawn: boolean;
  readonly admitPerSecond: number | null;
}

/** The gates of these sales. A sale whose gate never moved has a closed one. */
export async function readGates(db: Db, saleIds: readonly number[]): Promise<Map<number, GateRow>> {
  const rows = await db
    .selectFrom('products')
    .leftJoin('gates', 'gates.product_id', 'products.id')
    .select(['products.id', 'gates.version', 'gate', 'calls', 'paced_ms as pacedMs', 'late'])
    .select(['room_drawn_at as drawnAt', 'room_admit_per_second as admitPerSecond'])
    .where('products.id', 'in', saleIds)
    .execute();
  return new Map(
    rows.map(({ id, version, gate, calls, pacedMs, late, drawnAt, admitPerSecond }) => [
      id,
      {
        gate: version === null ? CLOSED_GATE : { version, gate: gate!, calls: callsOfText(calls!), pacedMs: pacedMs! },
        late: late ?? 0,
        isDrawn: drawnAt !== null,
        admitPerSecond,
      },
    ]),
  );
}

/** The bitmap of early places, as last saved; empty if there is none. */
export async function readSavedEarly(db: Db, saleId: number): Promise<Buffer> {
  const row = await db.selectFrom('gates').select('early').where('product_id', '=', saleId).executeTakeFirst();
  return row?.early ?? Buffer.alloc(0);
}

/**
 * Moves a gate from the version before. Returns false if another process has moved it meanwhile.
 */
export async function moveGate(db: Db, saleId: number, { version, gate, calls, pacedMs }: Gate): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('gates')
    .set({ version, gate, calls: textOfCalls(calls), paced_ms: pacedMs })
    .where('product_id', '=', saleId)
    .where('version', '=', version - 1)
    .where('gate', '<=', gate)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Saves the end of the line of late shoppers. It never falls. */
export async function saveLate(db: Db, saleId: number, late: number): Promise<void> {
  await db
    .updateTable('gates')
    .set({ late: sql`GREATEST(late, ${late})` })
    .where('product_id', '=', saleId)
    .execute();
}

/**
 * Saves the early line while it grows; with `isDrawn` for the last time. From then on it is fixed,
 * and the seed may be public. Places that were saved before stay, even if Redis has lost them.
 */
export function saveEarly(
  db: Db,
  saleId: number,
  early: Buffer,
  { isDrawn }: { readonly isDrawn: boolean },
): Promise<void> {
  return db.transaction().execute(async (tx) => {
    const ofSale = tx.selectFrom('products').select('id').where('id', '=', saleId).where('room_drawn_at', 'is', null);
    if ((await ofSale.forUpdate().executeTakeFirst()) === undefined) return;
    const saved = await tx.selectFrom('gates').select('early').where('product_id', '=', saleId).executeTakeFirst();
    if (saved === undefined) {
      await tx.insertInto('gates').values({ product_id: saleId, calls: '[]', early }).execute();
    } else {
      const joined = joinBits(saved.early ?? Buffer.alloc(0), early);
      await tx.updateTable('gates').set({ early: joined }).where('product_id', '=', saleId).execute();
    }
    if (!isDrawn) return;
    await tx.updateTable('products').set({ room_drawn_at: LEDGER_NOW }).where('id', '=', saleId).execute();
  });
}

function joinBits(one: Buffer, other: Buffer): Buffer {
  const joined = Buffer.alloc(Math.max(one.length, other.length));
  for (let i = 0; i < joined.length; i += 1) joined[i] = (one[i] ?? 0) | (other[i] ?? 0);
  return joined;
}

/** Sets how many people are called per second at most. */
export async function updateAdmitPerSecond(db: Db, saleId: number, admitPerSecond: number | null): Promise<void> {
  await db.updateTable('products').set({ room_admit_per_second: admitPerSecond }).where('id', '=', saleId).execute();
}
