import type { Queue } from 'bullmq';
import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import { newBatchNo, newOrderNumber } from '@flash-sale/shared/order/order-number.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { writeOrders, type WriteOrdersJob } from '@flash-sale/shared/admission/order-jobs.ts';
import type { RedisClock } from '@flash-sale/shared/platform/redis/clock.ts';
import type { AdmitItem, Admission, AdmitCall } from '@flash-sale/shared/admission/admission-commands.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { inBatchSpan } from '@flash-sale/shared/platform/telemetry/tracing.ts';
import type { Tracing } from '@flash-sale/shared/platform/telemetry/tracing-types.ts';
import { MicroBatches } from './micro-batches.ts';

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

/** Admission of buys in micro-batches, and the jobs that write the accepted ones. */
export class Admissions {
  readonly #deps: AdmissionsDeps;
  readonly #limits: AdmitCall['limits'];
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
      call: (sale, buys) => this.#decide(sale, buys),
      count: (outcome, buys) => metrics.admissions.inc({ outcome }, buys),
      waitingMax,
      log,
    });
    metrics.admissionWaiting.ask({}, () => this.#batches.waiting);
    metrics.admissionCalls.ask({}, () => this.#batches.calls);
  }

  /** Decides a buy. Never rejects: if Redis does not answer, the decision is `unavailable`. */
  admit(sale: Sale, buy: Buy): Promise<Decision> {
    return this.#batches.add(sale, buy);
  }

  /** Decides a micro-batch, each buy with a new order number, and hands off the accepted ones. */
  #decide(sale: Sale, buys: readonly Buy[]): Promise<Decision[]> {
    const { config, commands, clock, metrics, tracing } = this.#deps;
    const { historyId } = clock(sale.shard);
    const nowMs = clock(sale.shard).nowMs();
    // What this call accepts is one batch, from here to the ledger. Its number is used only once.
    const batchNo = newBatchNo(nowMs);
    const items = buys.map((buy): AdmitItem => ({ ...buy, orderNo: newOrderNumber(sale, batchNo) }));
    const call: AdmitCall = {
      historyId,
      deadlineMs: nowMs + config.REDIS_TIMEOUT_MS,
      batchNo,
      backlogMax: config.BACKLOG_MAX,
      shardBacklogMax: Math.max(SHARD_BACKLOG_MAX, config.BACKLOG_MAX),
      limits: this.#limits,
    };
    metrics.admissionBatch.observe(items.length);
    return inBatchSpan(tracing, 'admit', items, { 'seckill.sale': sale.id }, async () => {
      const took = metrics.admissionSeconds.startTimer();
      const admissions = await commands.admit(sale, call, items).finally(took);
      const accepted = items.filter((_, i) => admissions[i]!.outcome === 'accepted');
      if (accepted.length > 0) this.#handOff(sale, batchNo, accepted);
      return admissions.map((admission, i) => decisionOf(admission, items[i]!));
    });
  }

  /**
   * Adds the batch's job. Nothing depends on its success: the relay adds missing jobs with the same
   * id.
   */
  #handOff(sale: Sale, batchNo: string, accepted: readonly AdmitItem[]): void {
    const { queue, log, metrics } = this.#deps;
    log.info(
      { sale: sale.id, batch_no: batchNo, orders: accepted.map(({ orderNo, requestId }) => [orderNo, requestId]) },
      'buys accepted',
    );
    const { name, data, opts } = writeOrders(sale, batchNo, accepted.length);
    queue(sale.shard)
      .add(name, data, opts)
      .catch((error: unknown) => {
        metrics.jobsNotAdded.inc();
        log.warn({ err: error, batch_no: batchNo }, 'could not add the job; the relay will add it');
      });
  }
}

function decisionOf(admission: Admission, { orderNo }: AdmitItem): Decision {
  return admission.outcome === 'accepted' ? { outcome: 'accepted', orderNo } : admission;
}
