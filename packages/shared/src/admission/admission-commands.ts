import type { ErrorCode } from '../platform/errors.ts';
import type { SaleRef } from '../sale/sale.ts';
import { readScripts, type Argument, type RedisCalls } from '../platform/redis/script-loader.ts';
import type { Keys } from '../platform/redis/keys.ts';
import { heldBy, type Owner } from '../sale/owner.ts';
import { outcomesOf } from '../sale/sale-figures.ts';
import { lineOfOrder } from './batch.ts';

export const ADMISSION_SCRIPTS = readScripts(import.meta.url, {
  admit: { needsMemory: true },
  read_memory: {},
  set_outcomes: {},
});
export type AdmissionScript = (typeof ADMISSION_SCRIPTS)[number]['name'];

/** One buy of a call. */
export interface AdmitItem {
  readonly userId: string;
  /** The order number that the buy gets if it is accepted, with the number of the call's batch. */
  readonly orderNo: string;
  readonly token: string;
  /** The units that the shopper wants: all of them or none. */
  readonly quantity: number;
  readonly requestId: string;
  /** The trace context of the request, if it is traced. */
  readonly traceparent?: string | undefined;
}

export interface AdmitCall {
  /** The history of Redis in which the caller learned the time. */
  readonly historyId: string;
  /** The time after which the callers no longer wait, by the clock of Redis. */
  readonly deadlineMs: number;
  /** Is not used for another call, so that a call that is sent again is known. */
  readonly batchNo: string;
  /** The maximum number of waiting orders of the sale, and of all sales of its shard together. */
  readonly backlogMax: number;
  readonly shardBacklogMax: number;
  readonly limits: {
    readonly globalCapacity: number;
    readonly globalPerSecond: number;
    readonly userCapacity: number;
    readonly userPerSecond: number;
  };
}

/** The result of one buy. */
export type Admission =
  | { readonly outcome: 'accepted' }
  | ({ readonly outcome: 'replayed' } & Pick<Owner, 'orderNo' | 'quantity'>)
  /** Fewer units are left than the shopper wants. */
  | { readonly outcome: 'sold_out'; readonly available: number }
  /** The shopper wants more units than the sale allows. */
  | { readonly outcome: 'invalid_request'; readonly unitsPerShopper: number }
  | { readonly outcome: 'rate_limited'; readonly limit: 'global' | 'user'; readonly waitMs: number }
  | { readonly outcome: Exclude<ErrorCode, 'rate_limited' | 'sold_out' | 'invalid_request'> };

export function createAdmissionCommands({ redis, run }: RedisCalls<AdmissionScript>, keys: Keys) {
  return {
    /**
     * Decides at most a few hundred buys, and stores the accepted ones as one batch. The answers are
     * in the order of the items.
     */
    async admit(sale: SaleRef, call: AdmitCall, items: readonly AdmitItem[]): Promise<Admission[]> {
      const { state, pause, owners, batches, batchTimes, liveTokens } = keys.sale(sale);
      const { shard } = sale;
      const { limits } = call;
      const names = [
        state,
        pause,
        owners,
        batches,
        batchTimes,
        keys.settledBatch(sale, call.batchNo),
        liveTokens,
        keys.backlog(shard),
        keys.outbox(shard),
        keys.globalBucket(shard),
        ...keys.userBuckets(shard),
        ...items.map(({ userId }) => keys.seckillToken(sale, userId)),
      ];
      const args: Argument[] = [
        call.historyId,
        call.deadlineMs,
        call.batchNo,
        sale.id,
        call.backlogMax,
        call.shardBacklogMax,
        limits.globalCapacity,
        limits.globalPerSecond,
        limits.userCapacity,
        limits.userPerSecond,
        items.map(lineOfOrder).join('\n'),
        items.map(({ token }) => token).join('\n'),
      ];
      const reply = await run<string>('admit', names, args);
      const words = reply.split(' ');
      return items.map((_, i) => admissionOf(words.length === 1 ? reply : words[i]!));
    },

    /**
     * The memory that the shard's Redis uses, and its limit. `maxmemoryBytes` is 0 if there is no
     * limit.
     */
    async readMemory(shard: number): Promise<{ usedMemoryBytes: number; maxmemoryBytes: number }> {
      const [usedMemoryBytes, maxmemoryBytes] = await run<[number, number]>(
        'read_memory',
        [keys.globalBucket(shard)],
        [],
      );
      return { usedMemoryBytes, maxmemoryBytes };
    },

    /** Replaces the totals that this process reported before. For statistics only. */
    async setOutcomes(sale: SaleRef, processName: string, totals: ReadonlyMap<string, number>): Promise<void> {
      const { outcomes, state } = keys.sale(sale);
      const fields = [...totals].flatMap(([outcome, count]) => [`${processName} ${outcome}`, count]);
      await run('set_outcomes', [outcomes, state], fields);
    },

    /** The number of buys by outcome, over all processes. */
    async outcomes(sale: SaleRef): Promise<Record<string, number>> {
      return outcomesOf(Object.entries(await redis.hgetall(keys.sale(sale).outcomes)));
    },
  };
}

function admissionOf(reply: string): Admission {
  if (reply === 'accepted') return { outcome: 'accepted' };
  const [outcome, ...facts] = reply.split(':') as [Admission['outcome'], ...string[]];
  switch (outcome) {
    case 'replayed':
      return { outcome, ...heldBy(facts.join(':')) };
    case 'sold_out':
      return { outcome, available: Number(facts[0] ?? 0) };
    case 'invalid_request':
      return { outcome, unitsPerShopper: Number(facts[0]) };
    case 'rate_limited':
      return { outcome, limit: facts[0] as 'global' | 'user', waitMs: Number(facts[1]) };
    default:
      return { outcome };
  }
}
