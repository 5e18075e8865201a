import { LRUCache } from 'lru-cache';
import type { Commands } from '@flash-sale/shared/commands.ts';
import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import { EarlyLine } from '@flash-sale/shared/waiting-room/early-line.ts';
import type { LiveRoom } from '@flash-sale/shared/waiting-room/waiting-room-commands.ts';

/** How long a reading is used. */
export const READING_MS = 1_000;
const ROOMS_MAX = 1_000;

/** A room as this process knows it. */
export interface RoomReading {
  readonly room: LiveRoom;
  /** The early line; undefined before it is fixed. */
  readonly line: EarlyLine | undefined;
}

interface Known {
  reading?: RoomReading;
  readMs: number;
  running?: Promise<RoomReading> | undefined;
  next?: Promise<RoomReading> | undefined;
}

type Deps = { readonly commands: Pick<Commands, 'readRoom' | 'readEarly'> };

/** Reads waiting rooms: one call to Redis a second for all who wait in a room. */
export class RoomReader {
  readonly #commands: Deps['commands'];
  readonly #rooms = new LRUCache<number, Known>({ max: ROOMS_MAX });

  constructor({ commands }: Deps) {
    this.#commands = commands;
  }

  /** The room as it was within the last second. */
  async read(sale: SaleRef): Promise<RoomReading> {
    const known = this.#knownOf(sale);
    if (known.reading !== undefined && performance.now() - known.readMs < READING_MS) return known.reading;
    return (known.running ??= this.#read(sale, known));
  }

  /**
   * The room as it is now: a reading that began after this call. All who ask meanwhile share it.
   */
  fresh(sale: SaleRef): Promise<RoomReading> {
    const known = this.#knownOf(sale);
    if (known.running === undefined) return (known.running = this.#read(sale, known));
    return (known.next ??= known.running
      .catch(() => undefined)
      .then(() => {
        known.next = undefined;
        return (known.running ??= this.#read(sale, known));
      }));
  }

  #knownOf({ id }: SaleRef): Known {
    let known = this.#rooms.get(id);
    if (known === undefined) this.#rooms.set(id, (known = { readMs: -Infinity }));
    return known;
  }

  async #read(sale: SaleRef, known: Known): Promise<RoomReading> {
    try {
      const room = await this.#commands.readRoom(sale);
      const line = known.reading?.line ?? (await this.#lineOf(sale, room));
      known.reading = { room: notBefore(room, known.reading?.room), line };
      known.readMs = performance.now();
      return known.reading;
    } finally {
      known.running = undefined;
    }
  }

  /** Once a room is drawn, its early line does not change any more. */
  async #lineOf(sale: SaleRef, { isLoaded, isDrawn }: LiveRoom): Promise<EarlyLine | undefined> {
    return isLoaded && isDrawn ? new EarlyLine(await this.#commands.readEarly(sale)) : undefined;
  }
}

/**
 * A Redis that has lost data has an older gate. Keep the newer one: called shoppers stay called.
 */
function notBefore(room: LiveRoom, last: LiveRoom | undefined): LiveRoom {
  if (last === undefined || last.version <= room.version) return room;
  const { version, gate, calls } = last;
  return { ...room, version, gate, calls };
}
