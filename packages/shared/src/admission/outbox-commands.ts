import type { SaleRef } from '../sale/sale.ts';
import { readScripts, type RedisCalls } from '../platform/redis/script-loader.ts';
import type { Keys } from '../platform/redis/keys.ts';
import { batchOf, type HeldBatch, type Settlement } from './batch.ts';
import type { Reservation } from './reservation.ts';

export const OUTBOX_SCRIPTS = readScripts(import.meta.url, {
  next_batches: { isFenced: (reply) => (reply as [number])[0] === 0 },
  settle: { isFenced: (reply) => reply === 0 },
  index_batches: { isFenced: (reply) => reply === 0 },
  note_oldest: {},
  repair_outbox: {},
});
export type OutboxScript = (typeof OUTBOX_SCRIPTS)[number]['name'];

/**
 * A buy may add a sale to the outbox during its repair. Then it is read again, at most this often.
 */
const OUTBOX_READINGS_MAX = 10;

/** Sales in one comparison of the outbox: it takes Redis about 3 µs for each of them. */
const SALES_COMPARED_AT_ONCE = 1_000;

/** A batch is some kilobytes. */
const BATCHES_SCANNED_AT_ONCE = 50;

/** The oldest batches of a sale. */
export interface NextBatches {
  /** Whether another process waits for the lease. */
  readonly isWanted: boolean;
  /** Whether there are more. */
  readonly hasMore: boolean;
  readonly batches: readonly HeldBatch[];
}

/** How the outbox of a shard compares with its sales. */
export interface OutboxComparison {
  /** The number of waiting orders that the shard had, and the one that its sales have. */
  readonly backlog: number;
  readonly backlogOfSales: number;
  /** Sales that were in the outbox and have no batch. */
  readonly emptySales: readonly number[];
}

/** The calls on the outbox: the batches in Redis, which wait for the ledger. */
export type OutboxCommands = ReturnType<typeof createOutboxCommands>;

export function createOutboxCommands({ redis, run }: RedisCalls<OutboxScript>, keys: Keys) {
  /** Undefined if the sales should be all of the outbox and are not. */
  async function compare(
    shard: number,
    ids: readonly number[],
    { repairs, isAll }: { readonly repairs: boolean; readonly isAll: boolean },
  ): Promise<OutboxComparison | undefined> {
    const names = ids.flatMap((id) => {
      const { state, batchTimes } = keys.sale({ id, shard });
      return [state, batchTimes];
    });
    const [isDone, backlog, backlogOfSales, ...emptySales] = await run<[number, number, number, ...string[]]>(
      'repair_outbox',
      [keys.backlog(shard), keys.outbox(shard), ...names],
      [repairs ? 1 : 0, isAll ? 1 : 0, ...ids],
    );
    return isDone === 1 ? { backlog, backlogOfSales, emptySales: emptySales.map(Number) } : undefined;
  }

  return {
    /**
     * The oldest batches without the first `skip`, of at most `ordersMax` orders together, but with
     * more orders than `stuck`, if there are; undefined if the lease is lost.
     */
    async nextBatches(
      sale: SaleRef,
      lease: string,
      ordersMax: number,
      { skip = 0, stuck = 0 } = {},
    ): Promise<NextBatches | undefined> {
      const names = keys.sale(sale);
      const [held, hasMore, notHeldLines, ...flat] = await run<[number, number, string, ...string[]]>(
        'next_batches',
        [names.lease, names.batches, names.batchTimes, names.owners, names.leaseWaiting, names.state],
        [lease, ordersMax, skip, stuck],
      );
      if (held === 0) return undefined;
      const notHeld = new Set(notHeldLines.split('\n'));
      const batches: HeldBatch[] = [];
      for (let i = 0; i < flat.length; i += 2) {
        const { batchNo, reservations } = batchOf(flat[i]!, flat[i + 1]!);
        batches.push({
          batchNo,
          reservations: reservations.map((one) => ({ ...one, isHeld: !notHeld.has(one.orderNo) })),
        });
      }
      return { isWanted: held === 2, hasMore: hasMore === 1, batches };
    },

    /** Settles at most a thousand batches. Returns false if the lease is lost. */
    async settle(sale: SaleRef, lease: string, lifeMs: number, settlements: readonly Settlement[]): Promise<boolean> {
      const names = keys.sale(sale);
      const reply = await run(
        'settle',
        [
          names.lease,
          names.batches,
          names.batchTimes,
          names.state,
          keys.backlog(sale.shard),
          keys.outbox(sale.shard),
          ...settlements.map(({ batchNo }) => keys.settledBatch(sale, batchNo)),
        ],
        [
          lease,
          lifeMs,
          names.settled,
          sale.id,
          ...settlements.flatMap(({ batchNo, facts, settled, stuck }) => [
            batchNo,
            facts,
            settled.join('\n'),
            stuck.length,
            stuck.join('\n'),
          ]),
        ],
      );
      return reply === 1;
    },

    /** The number of orders of the sale that wait for the ledger. */
    async backlog(sale: SaleRef): Promise<number> {
      return Number((await redis.hget(keys.sale(sale).state, 'backlog')) ?? 0);
    },

    /** The numbers of batches admitted before `beforeMs`, oldest first. */
    batchesBefore(sale: SaleRef, beforeMs: number, limit: number): Promise<string[]> {
      return redis.zrange(keys.sale(sale).batchTimes, '-inf', `(${beforeMs}`, 'BYSCORE', 'LIMIT', 0, limit);
    },

    /** The numbers of batches admitted after `afterMs`, oldest first. */
    batchesAfter(sale: SaleRef, afterMs: number, limit: number): Promise<string[]> {
      return redis.zrange(keys.sale(sale).batchTimes, `(${afterMs}`, '+inf', 'BYSCORE', 'LIMIT', 0, limit);
    },

    /** Which of these batches have orders that wait for the ledger. */
    async whichWait(sale: SaleRef, batchNos: readonly string[]): Promise<string[]> {
      const times = await redis.zmscore(keys.sale(sale).batchTimes, ...batchNos);
      return batchNos.filter((_, i) => times[i] !== null);
    },

    /**
     * All reservations of the sale, unordered. HSCAN reads them in steps: one that is added or
     * removed meanwhile may be missing or present.
     */
    async allReservations(sale: SaleRef): Promise<Reservation[]> {
      const found = new Map<string, readonly Reservation[]>();
      let cursor = '0';
      do {
        const [next, flat] = await redis.hscan(keys.sale(sale).batches, cursor, 'COUNT', BATCHES_SCANNED_AT_ONCE);
        for (let i = 0; i < flat.length; i += 2) found.set(flat[i]!, batchOf(flat[i]!, flat[i + 1]!).reservations);
        cursor = next;
      } while (cursor !== '0');
      return [...found.values()].flat();
    },

    /**
     * The sales whose oldest batch was admitted before `beforeMs`, with that time; the oldest
     * first.
     */
    async outbox(shard: number, beforeMs = Infinity, limit = -1): Promise<{ saleId: number; oldestMs: number }[]> {
      const below = beforeMs === Infinity ? '+inf' : `(${beforeMs}`;
      const flat = await redis.zrange(keys.outbox(shard), '-inf', below, 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES');
      const found: { saleId: number; oldestMs: number }[] = [];
      for (let i = 0; i < flat.length; i += 2) found.push({ saleId: Number(flat[i]), oldestMs: Number(flat[i + 1]) });
      return found;
    },

    /** The sales whose oldest batch was admitted after `afterMs`. */
    async outboxAfter(shard: number, afterMs: number): Promise<number[]> {
      return (await redis.zrange(keys.outbox(shard), `(${afterMs}`, '+inf', 'BYSCORE')).map(Number);
    },

    /** Sets the time of the sale's oldest batch in the shard's outbox, if it is missing there. */
    async noteOldest(sale: SaleRef): Promise<void> {
      await run('note_oldest', [keys.sale(sale).batchTimes, keys.outbox(sale.shard)], [sale.id]);
    },

    /**
     * Compares the outbox of a shard and its number of waiting orders with the sales, and repairs
     * them if wanted. `sales` may have batches without being in the outbox. If there are too many
     * sales for one call, their waiting orders are not added up: they change between two calls.
     * Returns undefined if sales enter the outbox too fast.
     */
    async compareOutbox(
      shard: number,
      sales: readonly SaleRef[],
      { repairs, atOnceMax = SALES_COMPARED_AT_ONCE }: { readonly repairs: boolean; readonly atOnceMax?: number },
    ): Promise<OutboxComparison | undefined> {
      for (let readings = 0; readings < OUTBOX_READINGS_MAX; readings += 1) {
        const found = new Set(sales.map(({ id }) => id));
        for (const id of await redis.zrange(keys.outbox(shard), '0', '-1')) found.add(Number(id));
        const ids = [...found];
        const isAll = ids.length <= atOnceMax;
        const parts = isAll ? [ids] : chunksOf(ids, atOnceMax);
        const answers = [];
        for (const part of parts) answers.push(await compare(shard, part, { repairs, isAll }));
        const [first] = answers;
        if (first !== undefined) return { ...first, emptySales: answers.flatMap((answer) => answer?.emptySales ?? []) };
      }
      return undefined;
    },

    /**
     * Rebuilds the order of the batches by time, and the number of waiting orders. Returns false if
     * the lease is lost.
     */
    async indexBatches(sale: SaleRef, lease: string): Promise<boolean> {
      const { shard } = sale;
      const { lease: leaseKey, batches, batchTimes, state } = keys.sale(sale);
      const names = [leaseKey, batches, batchTimes, keys.outbox(shard), state, keys.backlog(shard)];
      return (await run('index_batches', names, [lease, sale.id])) === 1;
    },
  };
}

function chunksOf<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
