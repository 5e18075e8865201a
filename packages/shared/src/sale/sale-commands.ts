import { randomUUID } from 'node:crypto';
import { heldBy, ownerEntryOf, type Owner } from './owner.ts';
import type { LiveSale, Sale, SaleRef } from './sale.ts';
import { readScripts, type RedisCalls } from '../platform/redis/script-loader.ts';
import type { Keys } from '../platform/redis/keys.ts';
import type { SaleFigures } from './sale-figures.ts';

export const SALE_SCRIPTS = readScripts(import.meta.url, {
  read_sale: {},
  read_figures: {},
  set_pause: {},
  acquire_lease: {},
  renew_lease: {},
  release_lease: {},
  begin_rebuild: { isFenced: (reply) => reply === '' },
  add_owners: { isFenced: (reply) => reply === 0 },
  finish_rebuild: {},
  begin_change: { isFenced: (reply) => (reply as [string])[0] === '' },
  finish_change: {},
  clean_up: {},
  look_at_shard: {},
});
export type SaleScript = (typeof SALE_SCRIPTS)[number]['name'];

/** How long the counter of fencing tokens is kept after the last increment. */
const FENCE_LIFE_MS = 86_400_000;
const SCAN_COUNT = 1_000;
/** Sales that one script reads. Redis does nothing else for that time: less than a millisecond. */
const FIGURES_AT_ONCE = 100;

/** The calls on the state and the lease of a sale in Redis. */
export type SaleCommands = ReturnType<typeof createSaleCommands>;

export function createSaleCommands({ redis, run, runInTime }: RedisCalls<SaleScript>, keys: Keys) {
  return {
    async readSale(sale: SaleRef): Promise<LiveSale> {
      const { state, pause, owners: ownersKey } = keys.sale(sale);
      const [ready, version, available, pauseVersion, paused, nowMs, held, backlog] = await run<
        [number, number, number, number, number, number, number, number]
      >('read_sale', [state, pause, ownersKey], []);
      return { ready: ready === 1, version, available, held, backlog, pauseVersion, paused: paused === 1, nowMs };
    },

    /** The figures of sales of one shard, in their order. */
    async readFigures(sales: readonly SaleRef[]): Promise<SaleFigures[]> {
      const parts = Array.from({ length: Math.ceil(sales.length / FIGURES_AT_ONCE) }, (_, part) =>
        sales.slice(part * FIGURES_AT_ONCE, (part + 1) * FIGURES_AT_ONCE),
      );
      const replies = await Promise.all(
        parts.map((part) => {
          const names = part.flatMap((sale) => {
            const { state, owners, batchTimes, outcomes } = keys.sale(sale);
            return [state, owners, batchTimes, outcomes];
          });
          return run<[number, ...string[]]>('read_figures', names, []);
        }),
      );
      return replies.flatMap(([nowMs, ...texts]) => texts.map((text) => ({ text, nowMs })));
    },

    /** The history in which the sale in Redis was loaded. */
    async historyOf(sale: SaleRef): Promise<string | undefined> {
      return (await redis.hget(keys.sale(sale).state, 'history_id')) ?? undefined;
    },

    /** Sets the pause. Returns false if Redis has a newer one or does not keep the sale. */
    async setPause(sale: SaleRef, pauseVersion: number, paused: boolean): Promise<boolean> {
      const { pause, state } = keys.sale(sale);
      return (await run('set_pause', [pause, state], [pauseVersion, paused ? '1' : '0'])) === 1;
    },

    /**
     * The lease with its fencing token; undefined if another process holds it, or if Redis does not
     * keep the sale and `mayBeNew` is not set.
     */
    async acquireLease(
      sale: SaleRef,
      holder: string,
      { lifeMs, waitMs, mayBeNew }: { lifeMs: number; waitMs: number; mayBeNew: boolean },
    ): Promise<{ fencingToken: number; historyId: string } | undefined> {
      const { lease, fence, leaseWaiting, state } = keys.sale(sale);
      const args = [holder, lifeMs, waitMs, FENCE_LIFE_MS, mayBeNew ? '1' : '0'];
      const { reply: fencingToken, historyId } = await runInTime<number>(
        sale.shard,
        'acquire_lease',
        [lease, fence, leaseWaiting, state],
        args,
        (reply) => reply === -1,
      );
      return fencingToken <= 0 ? undefined : { fencingToken, historyId };
    },

    /** Gives the lease its full life again. Returns false if it is lost. */
    async renewLease(sale: SaleRef, lease: string, lifeMs: number): Promise<boolean> {
      return (await run('renew_lease', [keys.sale(sale).lease], [lease, lifeMs])) === 1;
    },

    /** Ends a lease. `ledgerFence` raises the counter if the ledger's fencing token is higher. */
    async releaseLease(sale: SaleRef, lease: string, ledgerFence = 0): Promise<void> {
      const names = keys.sale(sale);
      await run('release_lease', [names.lease, names.fence], [lease, ledgerFence, FENCE_LIFE_MS]);
    },

    /** Stops the sale. Returns the history of Redis, or undefined if the lease is lost. */
    async beginRebuild(sale: SaleRef, lease: string): Promise<string | undefined> {
      const names = keys.sale(sale);
      const reply = await run<string>(
        'begin_rebuild',
        [names.lease, names.state, names.building, keys.stopped(sale.shard)],
        [lease, sale.id],
      );
      return reply === '' ? undefined : reply;
    },

    /** The owners of a stopped sale. Of a sale that sells, some may be missing. */
    async allOwners(sale: SaleRef): Promise<Owner[]> {
      const found = new Map<string, string>();
      let cursor = '0';
      do {
        const [next, flat] = await redis.hscan(keys.sale(sale).owners, cursor, 'COUNT', SCAN_COUNT);
        for (let i = 0; i < flat.length; i += 2) found.set(flat[i]!, flat[i + 1]!);
        cursor = next;
      } while (cursor !== '0');
      return [...found].map(([userId, entry]) => ({ userId, ...heldBy(entry) }));
    },

    /** Adds at most a few thousand owners. Returns false if the lease is lost. */
    async addOwners(sale: SaleRef, lease: string, owners: readonly Owner[]): Promise<boolean> {
      const names = keys.sale(sale);
      const flat = owners.flatMap((owner) => [owner.userId, ownerEntryOf(owner)]);
      return (await run('add_owners', [names.lease, names.building], [lease, ...flat])) === 1;
    },

    /**
     * Opens the sale. Returns false if the lease is lost or another history has begun since
     * `historyId`.
     */
    async finishRebuild(
      sale: Sale,
      lease: string,
      built: { historyId: string; owners: number; held: number; available: number },
    ): Promise<boolean> {
      const names = keys.sale(sale);
      const reply = await run(
        'finish_rebuild',
        [
          names.lease,
          names.state,
          names.owners,
          names.building,
          names.pause,
          names.batchTimes,
          keys.outbox(sale.shard),
          keys.stopped(sale.shard),
        ],
        [
          lease,
          built.historyId,
          built.owners,
          sale.seckillStock,
          built.available,
          sale.version,
          sale.startMs,
          sale.endMs,
          sale.priceCents,
          sale.pauseVersion,
          sale.paused ? '1' : '0',
          sale.id,
          sale.unitsPerShopper,
          built.held - built.owners,
        ],
      );
      return reply === 1;
    },

    /**
     * Stops a sale for a change of its facts. `version` is the one that was on sale until now, or 0
     * if the sale was not ready. Returns undefined if the lease is lost.
     */
    async beginChange(
      sale: SaleRef,
      lease: string,
    ): Promise<{ historyId: string; nowMs: number; version: number } | undefined> {
      const names = keys.sale(sale);
      const reply = await run<[string, number, number]>(
        'begin_change',
        [names.lease, names.state, keys.stopped(sale.shard)],
        [lease, sale.id],
      );
      const [historyId, nowMs, version] = reply;
      return historyId === '' ? undefined : { historyId, nowMs, version };
    },

    /** Opens the sale with the facts of `after`. Returns false if it must be rebuilt. */
    async finishChange(before: Sale, after: Sale, lease: string, historyId: string): Promise<boolean> {
      const names = keys.sale(before);
      const units = after.seckillStock - before.seckillStock;
      const args = [
        lease,
        historyId,
        before.version,
        after.version,
        units,
        after.startMs,
        after.endMs,
        after.priceCents,
        after.id,
        after.unitsPerShopper,
      ];
      return (await run('finish_change', [names.lease, names.state, keys.stopped(after.shard)], args)) === 1;
    },

    /**
     * Deletes the sale's keys except the lease. Returns false if the lease is lost or a batch is
     * left. `isOld`: the sale was cleaned before, so its batches are deleted as well.
     */
    async cleanUp(sale: SaleRef, lease: string, { isOld = false } = {}): Promise<boolean> {
      const { lease: leaseKey, batchTimes, ...others } = keys.sale(sale);
      const { state, pause, owners, batches, building, outcomes, fence, room, roomEarly, roomLate, roomLoading } =
        others;
      const { shard } = sale;
      const names = [
        leaseKey,
        keys.outbox(shard),
        keys.stopped(shard),
        keys.backlog(shard),
        batchTimes,
        batches,
        state,
        pause,
        owners,
        building,
        outcomes,
        fence,
        room,
        roomEarly,
        roomLate,
        roomLoading,
      ];
      return (await run('clean_up', names, [lease, sale.id, isOld ? '1' : '0'])) === 1;
    },

    /** Which of these sales have a state in Redis. */
    async whichAreKept(shard: number, saleIds: readonly number[]): Promise<number[]> {
      const found = await Promise.all(saleIds.map((id) => redis.exists(keys.sale({ id, shard }).state)));
      return saleIds.filter((_, i) => found[i] === 1);
    },

    /** Whether this Redis has the shard's keys of a ledger. A new or emptied one does not. */
    async isClaimed(shard: number): Promise<boolean> {
      return (await redis.exists(keys.ledger(shard))) === 1;
    },

    /**
     * `history` changes if this Redis is another server or was emptied. `stopped` are the sales
     * that are stopped.
     */
    async lookAtShard(shard: number): Promise<{ history: string; stopped: number[] }> {
      const names = [keys.mark(shard), keys.stopped(shard)];
      const [history, mark, ...stopped] = await run<[string, string, ...string[]]>('look_at_shard', names, [
        randomUUID(),
      ]);
      return { history: `${history} ${mark}`, stopped: stopped.map(Number) };
    },
  };
}
