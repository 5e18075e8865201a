import type { Queue } from 'bullmq';
import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import { newOrderNumber } from '@flash-sale/shared/order/order-number.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { WRITE_ORDERS, writeOrdersOptions, type WriteOrdersJob } from '@flash-sale/shared/admission/order-jobs.ts';
import type { RedisClock } from '@flash-sale/shared/platform/redis/clock.ts';
import type { AdmitItem, Admission, AdmitCall } from '@flash-sale/shared/admission/admission-commands.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import { codeOfRedisError } from '@flash-sale/shared/platform/redis/errors.ts';
import { FaultLog } from '../fault-log.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { inBatchSpan } from '@flash-sale/shared/platform/telemetry/tracing.ts';
import type { Tracing } from '@flash-sale/shared/platform/telemetry/tracing-types.ts';

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

/** Buys in one micro-batch, and so orders in one job. */
const BATCH_MAX = 100;
/** Buys that wait for their micro-batch in this process. One more is shed. */
const WAITING_MAX = 10_000;
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
 * A decided buy. `order_no` is the new number if it was accepted, or the existing one if it was
 * replayed.
 */
export type Decision = Admission & { readonly orderNo: string };

interface WaitingBuy extends AdmitItem {
  readonly decide: (decision: Decision) => void;
}

/** The buys of one sale: the waiting ones, and whether a call is in flight. */
interface Line {
  readonly sale: Sale;
  readonly waiting: WaitingBuy[];
  isCalling: boolean;
}

/**
 * Admission of buys in micro-batches: buys of a sale that arrive while a call is in flight go together in the next one. The batches clock
 * themselves: one buy at low load, as many as `BATCH_MAX` at high load, and never more than one round trip of waiting
 * for it (the same idea as group commit in databases).
 */
export class Admissions {
  readonly #deps: AdmissionsDeps;
  readonly #faults = new FaultLog();
  readonly #limits: AdmitCall['limits'];
  readonly #lines = new Map<number, Line>();
  readonly #waitingMax: number;
  #waiting = 0;

  constructor(deps: AdmissionsDeps) {
    const { config, waitingMax = WAITING_MAX } = deps;
    this.#waitingMax = waitingMax;
    this.#deps = deps;
    deps.metrics.admissionWaiting.ask({}, () => this.#waiting);
    // Each shard has its share of the global bucket. A shopper has a full bucket in each shard.
    this.#limits = {
      globalCapacity: Math.max(1, config.RATE_LIMIT_GLOBAL_CAPACITY / config.SHARDS),
      globalPerSecond: config.RATE_LIMIT_GLOBAL_PER_SECOND / config.SHARDS,
      userCapacity: config.RATE_LIMIT_USER_CAPACITY,
      userPerSecond: config.RATE_LIMIT_USER_PER_SECOND,
    };
  }

  /** Decides a buy. Never rejects: if Redis does not answer, the decision is `unavailable`. */
  admit(sale: Sale, buy: Buy): Promise<Decision> {
    const orderNo = newOrderNumber(sale, this.#deps.clock(sale.shard).nowMs());
    if (this.#waiting >= this.#waitingMax) {
      return Promise.resolve({ outcome: 'overloaded', orderNo });
    }
    let line = this.#lines.get(sale.id);
    if (line === undefined) {
      line = { sale, waiting: [], isCalling: false };
      this.#lines.set(sale.id, line);
    }
    const { userId, token, requestId, traceparent } = buy;
    const decision = new Promise<Decision>((decide) =>
      line.waiting.push({ userId, token, requestId, traceparent, orderNo, decide }),
    );
    this.#waiting += 1;
    this.#send(line);
    return decision;
  }

  /** Sends the next micro-batch, unless a call is in flight. */
  #send(line: Line): void {
    if (line.isCalling) return;
    if (line.waiting.length === 0) {
      this.#lines.delete(line.sale.id);
      return;
    }
    const batch = line.waiting.splice(0, BATCH_MAX);
    this.#waiting -= batch.length;
    line.isCalling = true;
    this.#deps.metrics.admissionCalls.inc();
    const attributes = { 'seckill.sale': line.sale.id };
    void inBatchSpan(this.#deps.tracing, 'admit', batch, attributes, () => this.#decide(line, batch)).finally(() => {
      line.isCalling = false;
      this.#deps.metrics.admissionCalls.dec();
      this.#send(line);
    });
  }

  async #decide({ sale, waiting }: Line, batch: readonly WaitingBuy[]): Promise<void> {
    const { config, commands, clock, log, metrics } = this.#deps;
    const { historyId } = clock(sale.shard);
    const nowMs = clock(sale.shard).nowMs();
    // A job is a micro-batch. Its id has the form of an order number, because a BullMQ job id must
    // not consist of digits only or contain a colon.
    const jobId = newOrderNumber(sale, nowMs);
    const call: AdmitCall = {
      historyId,
      deadlineMs: nowMs + config.REDIS_TIMEOUT_MS,
      jobId,
      backlogMax: config.BACKLOG_MAX,
      shardBacklogMax: Math.max(SHARD_BACKLOG_MAX, config.BACKLOG_MAX),
      limits: this.#limits,
    };
    metrics.admissionBatch.observe(batch.length);
    const took = metrics.admissionSeconds.startTimer();
    let admissions: Admission[];
    try {
      admissions = await commands.admit(sale, call, batch);
    } catch (error) {
      const outcome = codeOfRedisError(error);
      if (!this.#faults.report(log, error))
        log[outcome === undefined ? 'error' : 'warn'](
          { err: error, sale: sale.id, buys: batch.length },
          'admit call failed',
        );
      admissions = batch.map(() => ({ outcome: outcome ?? 'unavailable' }));
      if (outcome === 'unavailable') this.#giveUp(waiting);
    }
    took();
    const accepted: WaitingBuy[] = [];
    const outcomes = new Map<string, number>();
    for (const [i, buy] of batch.entries()) {
      const admission = admissions[i]!;
      outcomes.set(admission.outcome, (outcomes.get(admission.outcome) ?? 0) + 1);
      if (admission.outcome === 'accepted') accepted.push(buy);
      buy.decide(admission.outcome === 'replayed' ? admission : { ...admission, orderNo: buy.orderNo });
    }
    for (const [outcome, buys] of outcomes) metrics.admissions.inc({ outcome }, buys);
    if (accepted.length > 0) this.#handOff(sale, jobId, accepted);
  }

  /**
   * Answers the buys behind a call that Redis did not answer: a call of their own would make them
   * wait as long again.
   */
  #giveUp(waiting: WaitingBuy[]): void {
    this.#waiting -= waiting.length;
    this.#deps.metrics.admissions.inc({ outcome: 'unavailable' }, waiting.length);
    for (const buy of waiting.splice(0)) {
      buy.decide({ outcome: 'unavailable', orderNo: buy.orderNo });
    }
  }

  /**
   * Adds the batch's job. Nothing depends on its success: the relay adds missing jobs with the same
   * id.
   */
  #handOff(sale: Sale, jobId: string, accepted: readonly WaitingBuy[]): void {
    const { queue, log, metrics } = this.#deps;
    log.info(
      { sale: sale.id, job_id: jobId, orders: accepted.map(({ orderNo, requestId }) => [orderNo, requestId]) },
      'buys accepted',
    );
    const job: WriteOrdersJob = {
      shard: sale.shard,
      sale_id: sale.id,
      order_nos: accepted.map(({ orderNo }) => orderNo),
    };
    queue(sale.shard)
      .add(WRITE_ORDERS, job, writeOrdersOptions(jobId))
      .catch((error: unknown) => {
        metrics.jobsNotAdded.inc();
        log.warn({ err: error, job_id: jobId }, 'could not add the job; the relay will add it');
      });
  }
}
