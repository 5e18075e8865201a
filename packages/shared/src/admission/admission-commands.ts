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

/** What a call accepts of one sale is one batch. */
export interface AdmitBatch {
  readonly sale: SaleRef;
  /** Is not used for another batch, so that a call that is sent again is known. */
  readonly batchNo: string;
  readonly items: readonly AdmitItem[];
}

export interface AdmitTerms {
  /** The history of Redis in which the caller learned the time. */
  readonly historyId: string;
  /** The time after which the callers no longer wait, by the clock of Redis. */
  readonly deadlineMs: number;
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

/** A call for one batch. */
export type AdmitCall = AdmitTerms & Pick<AdmitBatch, 'batchNo'>;

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
  /**
   * Decides at most a few hundred buys, in batches of different sales of a shard, and stores the
   * accepted ones of each. The answers of a batch are in the order of its items.
   */
  async function admitTogether(
    shard: number,
    { historyId, deadlineMs, backlogMax, shardBacklogMax, limits }: AdmitTerms,
    batches: readonly AdmitBatch[],
  ): Promise<Admission[][]> {
    const names = [keys.backlog(shard), keys.outbox(shard), keys.globalBucket(shard), ...keys.userBuckets(shard)];
    const args: Argument[] = [
      historyId,
      deadlineMs,
      backlogMax,
      shardBacklogMax,
      limits.globalCapacity,
      limits.globalPerSecond,
      limits.userCapacity,
      limits.userPerSecond,
    ];
    for (const { sale, batchNo, items } of batches) {
      const { state, pause, owners, batches: outbox, batchTimes, liveTokens } = keys.sale(sale);
      const settled = keys.settledBatch(sale, batchNo);
      names.push(state, pause, owners, outbox, batchTimes, settled, liveTokens, ...keys.seckillTokens(sale));
      const tokens = items.map(({ token }) => token);
      args.push(batchNo, sale.id, items.map(lineOfOrder).join('\n'), tokens.join('\n'));
    }
    const reply = await run<string>('admit', names, args);
    const words = reply.split(' ');
    let next = 0;
    return batches.map(({ items }) => items.map(() => admissionOf(words.length === 1 ? reply : words[next++]!)));
  }

  return {
    admitTogether,

    /** Decides the buys of one batch. */
    async admit(sale: SaleRef, { batchNo, ...terms }: AdmitCall, items: readonly AdmitItem[]): Promise<Admission[]> {
      const [admissions] = await admitTogether(sale.shard, terms, [{ sale, batchNo, items }]);
      return admissions!;
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
