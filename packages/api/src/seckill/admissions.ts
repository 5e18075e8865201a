import type { Queue } from 'bullmq';
import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import { newBatchNo, newOrderNumber } from '@flash-sale/shared/order/order-number.ts';
import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import { writeTogether, type BatchJson, type WriteOrdersJob } from '@flash-sale/shared/admission/order-jobs.ts';
import type { RedisClock } from '@flash-sale/shared/platform/redis/clock.ts';
import type { Admission, AdmitBatch, AdmitItem, AdmitTerms } from '@flash-sale/shared/admission/admission-commands.ts';
import { codeOfRedisError } from '@flash-sale/shared/platform/redis/errors.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { inBatchSpan } from '@flash-sale/shared/platform/telemetry/tracing.ts';
import type { Tracing } from '@flash-sale/shared/platform/telemetry/tracing-types.ts';
import { MicroBatches, type SaleItems } from '../micro-batches.ts';

type AdmissionConfig = Pick<
  Config,
  | 'SHARDS'
  | 'REDIS_TIMEOUT_MS'
  | 'RATE_LIMIT_GLOBAL_CAPACITY'
  | 'RATE_LIMIT_GLOBAL_PER_SECOND'
  | 'RATE_LIMIT_USER_CAPACITY'
  | 'RATE_LIMIT_USER_PER_SECOND'
  | 'BACKLOG_MAX'
>;

/**
 * Maximum number of orders of a shard that wait for the ledger. One sale may have up to
 * `BACKLOG_MAX`, even if that is more.
 */
const SHARD_BACKLOG_MAX = 1_000_000;

export interface AdmissionsDeps {
  readonly config: AdmissionConfig;
  readonly commands: Commands;
  /** The clock of a shard's Redis. */
  readonly clock: (shard: number) => RedisClock;
  /** The queue of a shard. */
  readonly queue: (shard: number) => Queue<WriteOrdersJob>;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly tracing?: Tracing | undefined;
  /** Maximum number of waiting buys. Tests set it lower. */
  readonly waitingMax?: number | undefined;
}

/** A buy that passed every check that needs no I/O. */
export type Buy = Omit<AdmitItem, 'orderNo'>;

/**
 * A decided buy. `orderNo` is the new number if it was accepted, or the existing one if it was
 * replayed.
 */
export type Decision =
  | Exclude<Admission, { readonly outcome: 'accepted' }>
  | { readonly outcome: 'accepted'; readonly orderNo: string };

/** The admissions of one batch, or why it has none. */
type Admitted = PromiseSettledResult<Admission[]>;

/** Admission of buys in micro-batches, and the jobs that write the accepted ones. */
export class Admissions {
  readonly #deps: AdmissionsDeps;
  readonly #limits: AdmitTerms['limits'];
  readonly #batches: MicroBatches<Buy, Decision>;

  constructor(deps: AdmissionsDeps) {
    const { config, log, metrics, waitingMax } = deps;
    this.#deps = deps;
    // Each shard has its share of the global bucket. A shopper has a full bucket in each shard.
    this.#limits = {
      globalCapacity: Math.max(1, config.RATE_LIMIT_GLOBAL_CAPACITY / config.SHARDS),
      globalPerSecond: config.RATE_LIMIT_GLOBAL_PER_SECOND / config.SHARDS,
      userCapacity: config.RATE_LIMIT_USER_CAPACITY,
      userPerSecond: config.RATE_LIMIT_USER_PER_SECOND,
    };
    this.#batches = new MicroBatches({
      name: 'admit',
      call: (sales) => this.#decide(sales),
      count: (outcome, buys) => metrics.admissions.inc({ outcome }, buys),
      waitingMax,
      log,
    });
    metrics.admissionWaiting.ask({}, () => this.#batches.waiting);
    metrics.admissionCalls.ask({}, () => this.#batches.calls);
  }

  /** Decides a buy. Never rejects: if Redis does not answer, the decision is `unavailable`. */
  admit(sale: SaleRef, buy: Buy): Promise<Decision> {
    return this.#batches.add(sale, buy);
  }

  /** Decides a micro-batch, each buy with a new order number, and hands off the accepted ones. */
  #decide(sales: readonly SaleItems<Buy>[]): Promise<Decision[]>[] {
    const { config, clock } = this.#deps;
    const { shard } = sales[0]!.sale;
    const { historyId } = clock(shard);
    const nowMs = clock(shard).nowMs();
    const batches = sales.map(({ sale, items: buys }): AdmitBatch => {
      // What this call accepts of a sale is one batch, from here to the ledger.
      const batchNo = newBatchNo(nowMs);
      return { sale, batchNo, items: buys.map((buy) => ({ ...buy, orderNo: newOrderNumber(sale, batchNo) })) };
    });
    const terms: AdmitTerms = {
      historyId,
      deadlineMs: nowMs + config.REDIS_TIMEOUT_MS,
      backlogMax: config.BACKLOG_MAX,
      shardBacklogMax: Math.max(SHARD_BACKLOG_MAX, config.BACKLOG_MAX),
      limits: this.#limits,
    };
    const admitted = this.#admit(shard, terms, batches);
    return batches.map(async ({ items }, i) => {
      const own = (await admitted)[i]!;
      if (own.status === 'rejected') throw own.reason;
      return own.value.map((admission, n) => decisionOf(admission, items[n]!));
    });
  }

  /**
   * The admissions of each batch, or why it has none. One call decides all of them.
   *
   * @throws the reason if no batch has any
   */
  #admit(shard: number, terms: AdmitTerms, batches: readonly AdmitBatch[]): Promise<Admitted[]> {
    const { commands, metrics, tracing } = this.#deps;
    const items = batches.flatMap((batch) => batch.items);
    metrics.admissionBatch.observe(items.length);
    return inBatchSpan(tracing, 'admit', items, { 'seckill.shard': shard }, async () => {
      const took = metrics.admissionSeconds.startTimer();
      const together = commands.admitTogether(shard, terms, batches).finally(took);
      const admitted = await Promise.allSettled(
        batches.map(async ({ sale, batchNo, items: own }, i) => {
          try {
            return (await together)[i]!;
          } catch (error) {
            if (batches.length === 1 || codeOfRedisError(error) !== undefined) throw error;
            // One of the sales has a fault. Of the others, what this call has accepted is accepted
            // again.
            return commands.admit(sale, { ...terms, batchNo }, own);
          }
        }),
      );
      this.#handOff(shard, batches, admitted);
      const failed = admitted.filter((own) => own.status === 'rejected');
      if (failed.length === batches.length) throw failed[0]!.reason;
      return admitted;
    });
  }

  /**
   * Adds the jobs of the accepted batches. Nothing depends on its success: the relay adds a job
   * for each batch that waits too long.
   */
  #handOff(shard: number, batches: readonly AdmitBatch[], admitted: readonly Admitted[]): void {
    const { queue, log, metrics } = this.#deps;
    const handedOff = batches.flatMap(({ sale, batchNo, items }, i): BatchJson[] => {
      const own = admitted[i]!;
      if (own.status === 'rejected') return [];
      const accepted = items.filter((_, n) => own.value[n]!.outcome === 'accepted');
      if (accepted.length === 0) return [];
      log.info(
        { sale: sale.id, batch_no: batchNo, orders: accepted.map(({ orderNo, requestId }) => [orderNo, requestId]) },
        'buys accepted',
      );
      return [{ sale_id: sale.id, batch_no: batchNo, orders: accepted.length }];
    });
    const jobs = writeTogether(shard, handedOff);
    const [first, ...others] = jobs;
    if (first === undefined) return;
    const added: Promise<unknown> =
      others.length === 0 ? queue(shard).add(first.name, first.data, first.opts) : queue(shard).addBulk(jobs);
    added.catch((error: unknown) => {
      metrics.jobsNotAdded.inc(jobs.length);
      const names = jobs.map(({ opts }) => opts.jobId);
      log.warn({ err: error, jobs: names }, 'could not add the jobs; the relay will add them');
    });
  }
}

function decisionOf(admission: Admission, { orderNo }: AdmitItem): Decision {
  return admission.outcome === 'accepted' ? { outcome: 'accepted', orderNo } : admission;
}
