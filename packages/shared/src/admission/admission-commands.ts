import type { ErrorCode } from '../platform/errors.ts';
import type { SaleRef } from '../sale/sale.ts';
import { readScripts, type Argument, type RedisCalls } from '../platform/redis/script-loader.ts';
import type { Keys } from '../platform/redis/keys.ts';

export const ADMISSION_SCRIPTS = readScripts(import.meta.url, {
  admit: { needsMemory: true },
  read_memory: {},
  set_outcomes: {},
});
export type AdmissionScript = (typeof ADMISSION_SCRIPTS)[number]['name'];

/** One buy in a micro-batch. */
export interface AdmitItem {
  readonly user_id: string;
  /** The order number that the buy gets if it is accepted. */
  readonly order_no: string;
  readonly token: string;
  readonly request_id: string;
  /** The trace context of the request, if it is traced. */
  readonly traceparent?: string | undefined;
}

export interface AdmitCall {
  /** The history of Redis in which the caller learned the time. */
  readonly history_id: string;
  /** The time after which the callers no longer wait, by the clock of Redis. */
  readonly deadline_ms: number;
  readonly job_id: string;
  /** The maximum number of reservations of the sale, and of all sales of its shard together. */
  readonly backlog_max: number;
  readonly shard_backlog_max: number;
  readonly limits: {
    readonly global_capacity: number;
    readonly global_per_second: number;
    readonly user_capacity: number;
    readonly user_per_second: number;
  };
}

/** The result of one buy. */
export type Admission =
  | { readonly outcome: 'accepted' }
  | { readonly outcome: 'replayed'; readonly order_no: string }
  | { readonly outcome: 'rate_limited'; readonly limit: 'global' | 'user'; readonly wait_ms: number }
  | { readonly outcome: Exclude<ErrorCode, 'rate_limited'> };

export function createAdmissionCommands({ redis, run }: RedisCalls<AdmissionScript>, keys: Keys) {
  return {
    /**
     * Decides a micro-batch of at most a few hundred items. The answers are in the order of the
     * items.
     */
    async admit(sale: SaleRef, call: AdmitCall, items: readonly AdmitItem[]): Promise<Admission[]> {
      const { state, pause, owners, reservations, reservedAt, liveTokens } = keys.sale(sale);
      const { shard } = sale;
      const { limits } = call;
      const names = [
        state,
        pause,
        owners,
        reservations,
        reservedAt,
        keys.backlog(shard),
        keys.globalBucket(shard),
        liveTokens,
        keys.outbox(shard),
      ];
      const args: Argument[] = [
        call.history_id,
        call.deadline_ms,
        call.job_id,
        call.backlog_max,
        call.shard_backlog_max,
        limits.global_capacity,
        limits.global_per_second,
        limits.user_capacity,
        limits.user_per_second,
        sale.id,
      ];
      for (const item of items) {
        names.push(keys.seckillToken(sale, item.user_id), keys.userBucket(shard, item.user_id));
        args.push(item.user_id, item.order_no, item.token, requestText(item));
      }
      return (await run<string>('admit', names, args)).split(' ').map(admissionOf);
    },

    /**
     * The memory that the shard's Redis uses, and its limit. `maxmemory_bytes` is 0 if there is no
     * limit.
     */
    async readMemory(shard: number): Promise<{ used_memory_bytes: number; maxmemory_bytes: number }> {
      const [used_memory_bytes, maxmemory_bytes] = await run<[number, number]>(
        'read_memory',
        [keys.globalBucket(shard)],
        [],
      );
      return { used_memory_bytes, maxmemory_bytes };
    },

    /** Replaces the totals that this process reported before. For statistics only. */
    async setOutcomes(sale: SaleRef, process_name: string, totals: ReadonlyMap<string, number>): Promise<void> {
      const { outcomes, state } = keys.sale(sale);
      const fields = [...totals].flatMap(([outcome, count]) => [`${process_name} ${outcome}`, count]);
      await run('set_outcomes', [outcomes, state], fields);
    },

    /** The number of buys by outcome, over all processes. */
    async outcomes(sale: SaleRef): Promise<Record<string, number>> {
      const sums: Record<string, number> = {};
      for (const [field, count] of Object.entries(await redis.hgetall(keys.sale(sale).outcomes))) {
        const outcome = field.slice(field.indexOf(' ') + 1);
        sums[outcome] = (sums[outcome] ?? 0) + Number(count);
      }
      return sums;
    },
  };
}

function admissionOf(reply: string): Admission {
  if (reply.startsWith('replayed:')) return { outcome: 'replayed', order_no: reply.slice('replayed:'.length) };
  if (reply.startsWith('rate_limited:')) {
    const [, limit, wait_ms] = reply.split(':');
    return { outcome: 'rate_limited', limit: limit as 'global' | 'user', wait_ms: Number(wait_ms) };
  }
  return { outcome: reply as 'accepted' };
}

/**
 * The request in a reservation: its id, then `~` and its trace context. No request id contains `~`.
 */
const requestText = ({ request_id, traceparent }: AdmitItem): string =>
  traceparent === undefined ? request_id : `${request_id}~${traceparent}`;
