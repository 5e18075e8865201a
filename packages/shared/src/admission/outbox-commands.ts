import type { SaleRef } from '../sale/sale.ts';
import { readScripts, type RedisCalls } from '../platform/redis/script-loader.ts';
import type { Keys } from '../platform/redis/keys.ts';
import { heldReservationOf, reservationOf, type HeldReservation, type Reservation } from './reservation.ts';

export const OUTBOX_SCRIPTS = readScripts(import.meta.url, {
  next_reservations: { isFenced: (reply) => (reply as [number])[0] === 0 },
  settle: { isFenced: (reply) => reply === 0 },
  index_reservations: { isFenced: (reply) => reply === 0 },
  note_oldest: {},
});
export type OutboxScript = (typeof OUTBOX_SCRIPTS)[number]['name'];

/** The status of an order for pollers, with its version. */
export interface StatusRecord {
  readonly orderNo: string;
  readonly version: number;
  /** The order as JSON. This module does not read it. */
  readonly status: string;
}

/** The calls on the reservations in Redis, which wait for the ledger. */
export type OutboxCommands = ReturnType<typeof createOutboxCommands>;

export function createOutboxCommands({ redis, run }: RedisCalls<OutboxScript>, keys: Keys) {
  return {
    /**
     * The oldest reservations without the first `skip`, and whether another process waits for the
     * lease; undefined if the lease is lost.
     */
    async nextReservations(
      sale: SaleRef,
      lease: string,
      limit: number,
      skip = 0,
    ): Promise<{ wanted: boolean; reservations: HeldReservation[] } | undefined> {
      const names = keys.sale(sale);
      const [held, lines] = await run<[number, string]>(
        'next_reservations',
        [names.lease, names.reservations, names.reservedAt, names.owners, names.leaseWaiting, names.state],
        [lease, limit, skip],
      );
      if (held === 0) return undefined;
      return { wanted: held === 2, reservations: lines === '' ? [] : lines.split('\n').map(heldReservationOf) };
    },

    /** Settles at most a thousand orders. Returns false if the lease is lost. */
    async settle(sale: SaleRef, lease: string, lifeMs: number, records: readonly StatusRecord[]): Promise<boolean> {
      const names = keys.sale(sale);
      const reply = await run(
        'settle',
        [
          names.lease,
          names.reservations,
          names.reservedAt,
          keys.backlog(sale.shard),
          keys.outbox(sale.shard),
          ...records.map(({ orderNo }) => keys.status(sale, orderNo)),
        ],
        [
          lease,
          lifeMs,
          names.settled,
          sale.id,
          ...records.flatMap(({ orderNo, version, status }) => [orderNo, version, status]),
        ],
      );
      return reply === 1;
    },

    /** The number of reservations of the sale that are not in the ledger. */
    backlog(sale: SaleRef): Promise<number> {
      return redis.zcard(keys.sale(sale).reservedAt);
    },

    /** Order numbers of reservations admitted before `beforeMs`, oldest first. */
    reservedBefore(sale: SaleRef, beforeMs: number, limit: number): Promise<string[]> {
      return redis.zrange(keys.sale(sale).reservedAt, '-inf', `(${beforeMs}`, 'BYSCORE', 'LIMIT', 0, limit);
    },

    /** Order numbers of reservations admitted after `afterMs`, oldest first. */
    reservedAfter(sale: SaleRef, afterMs: number, limit: number): Promise<string[]> {
      return redis.zrange(keys.sale(sale).reservedAt, `(${afterMs}`, '+inf', 'BYSCORE', 'LIMIT', 0, limit);
    },

    /** The reservations of `orderNos`, in the same order; undefined for one that does not exist. */
    async reservations(sale: SaleRef, orderNos: readonly string[]): Promise<(Reservation | undefined)[]> {
      const found = await redis.hmget(keys.sale(sale).reservations, ...orderNos);
      return found.map((text, i) => (text === null ? undefined : reservationOf(orderNos[i]!, text)));
    },

    /**
     * All reservations of the sale, unordered. HSCAN reads them in steps: one that is added or
     * removed meanwhile may be missing or present.
     */
    async allReservations(sale: SaleRef): Promise<Reservation[]> {
      const found = new Map<string, Reservation>();
      let cursor = '0';
      do {
        const [next, flat] = await redis.hscan(keys.sale(sale).reservations, cursor, 'COUNT', 1_000);
        for (let i = 0; i < flat.length; i += 2) found.set(flat[i]!, reservationOf(flat[i]!, flat[i + 1]!));
        cursor = next;
      } while (cursor !== '0');
      return [...found.values()];
    },

    /**
     * The sales whose oldest reservation was admitted before `beforeMs`, with that time; the
     * oldest first.
     */
    async outbox(shard: number, beforeMs = Infinity, limit = -1): Promise<{ saleId: number; oldestMs: number }[]> {
      const below = beforeMs === Infinity ? '+inf' : `(${beforeMs}`;
      const flat = await redis.zrange(keys.outbox(shard), '-inf', below, 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES');
      const found: { saleId: number; oldestMs: number }[] = [];
      for (let i = 0; i < flat.length; i += 2) found.push({ saleId: Number(flat[i]), oldestMs: Number(flat[i + 1]) });
      return found;
    },

    /** The sales whose oldest reservation was admitted after `afterMs`. */
    async outboxAfter(shard: number, afterMs: number): Promise<number[]> {
      return (await redis.zrange(keys.outbox(shard), `(${afterMs}`, '+inf', 'BYSCORE')).map(Number);
    },

    /**
     * Sets the time of the sale's oldest reservation in the shard's outbox, if it is missing there.
     */
    async noteOldest(sale: SaleRef): Promise<void> {
      await run('note_oldest', [keys.sale(sale).reservedAt, keys.outbox(sale.shard)], [sale.id]);
    },

    /** Rebuilds the order of the reservations by time. Returns false if the lease is lost. */
    async indexReservations(sale: SaleRef, lease: string): Promise<boolean> {
      const names = keys.sale(sale);
      return (
        (await run(
          'index_reservations',
          [names.lease, names.reservations, names.reservedAt, keys.outbox(sale.shard)],
          [lease, sale.id],
        )) === 1
      );
    },
  };
}
