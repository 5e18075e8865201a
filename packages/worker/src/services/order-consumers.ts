import { DelayedError, Worker, type Job } from 'bullmq';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { listShards } from '@flash-sale/shared/sale/products-table.ts';
import { backoffMs, ORDERS_QUEUE, type WriteOrdersJob } from '@flash-sale/shared/admission/order-jobs.ts';
import type { RedisClient } from '@flash-sale/shared/platform/redis/client.ts';
import type { Keys } from '@flash-sale/shared/platform/redis/keys.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import type { Tracing } from '@flash-sale/shared/platform/telemetry/tracing-types.ts';
import { NotNow } from '../order-writer/sale-writer.ts';
import type { OrderWriter } from '../order-writer/order-writer.ts';
import type { Progress } from './progress.ts';
import { repeating, type Service } from '@flash-sale/shared/platform/process/service.ts';

const SHARDS_INTERVAL_MS = 1_000;
/** With BullMQ's defaults it takes 60 s until the jobs of a killed worker run again. */
const LOCK_MS = 5_000;
const STALLED_INTERVAL_MS = 2_000;
const RUN_RETRY_MS = 500;
const NOT_NOW_MS_MIN = 100;
const NOT_NOW_MS_SPREAD = 200;

export interface OrderConsumersDeps {
  readonly db: Db;
  readonly keys: Keys;
  readonly writer: OrderWriter;
  /** A connection for one BullMQ worker, which duplicates it for blocking calls. */
  readonly connect: () => RedisClient;
  readonly concurrency: number;
  readonly progress: Progress;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly tracing?: Tracing | undefined;
}

interface Consumer {
  readonly worker: Worker<WriteOrdersJob>;
  readonly connection: RedisClient;
  /** Its start failed. BullMQ keeps that error, so the consumer would never take a job. */
  hasFailed: boolean;
}

/**
 * Consumes the order jobs of every shard that has sales. A job completes, or returns to the queue
 * until it does.
 */
export function orderConsumers(deps: OrderConsumersDeps): Service {
  const { db, keys, writer, connect, concurrency, progress, log, metrics, tracing } = deps;
  const consumers = new Map<number, Consumer>();

  async function work(job: Job<WriteOrdersJob>, lock?: string): Promise<void> {
    const { shard, batches } = job.data;
    const errors: unknown[] = [];
    // One sale after the other, so that `concurrency` bounds the sales that are written at once.
    // One that fails does not keep the others from being written.
    for (const { sale_id: id, batch_no: batchNo } of batches) {
      await writer.settle({ shard, id }, batchNo).catch((error: unknown) => errors.push(error));
      progress.doneWithJob(shard);
    }
    const failure = errors.find((error) => !(error instanceof NotNow));
    if (failure !== undefined) throw failure;
    if (errors.length === 0) return;
    metrics.jobsPutOff.inc({ shard });
    // Return it to the queue without counting an attempt.
    await job.moveToDelayed(Date.now() + NOT_NOW_MS_MIN + Math.random() * NOT_NOW_MS_SPREAD, lock);
    throw new DelayedError();
  }

  function consume(shard: number): void {
    const connection = connect();
    const worker = new Worker<WriteOrdersJob>(ORDERS_QUEUE, work, {
      connection,
      prefix: keys.queuePrefix(shard),
      concurrency,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_INTERVAL_MS,
      // If the worker of a job dies, the job runs again, without a limit.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      runRetryDelay: RUN_RETRY_MS,
      ...(tracing === undefined ? {} : { telemetry: tracing.bullmq }),
      settings: { backoffStrategy: (attempt) => backoffMs(attempt) },
    });
    worker.on('error', (error) => log.warn({ err: error, shard }, 'queue error'));
    worker.on('completed', () => metrics.jobsCompleted.inc({ shard }));
    worker.on('failed', (job, error) => {
      metrics.jobsFailed.inc({ shard });
      log.warn({ err: error, shard, job_id: job?.id }, 'job failed; the queue will run it again');
    });
    worker.on('stalled', (jobId) => {
      metrics.jobsStalled.inc({ shard });
      log.warn({ shard, job_id: jobId }, 'worker of a job was lost; the queue will run the job again');
    });
    // Initialize at 0, so that the first one counts as an increase.
    for (const counter of [metrics.jobsCompleted, metrics.jobsFailed, metrics.jobsPutOff, metrics.jobsStalled]) {
      counter.inc({ shard }, 0);
    }
    for (const status of ['pending_payment', 'failed']) metrics.ordersWritten.inc({ shard, status }, 0);
    const consumer: Consumer = { worker, connection, hasFailed: false };
    consumers.set(shard, consumer);
    worker.waitUntilReady().catch(() => {
      consumer.hasFailed = true;
    });
    log.info({ shard, concurrency }, 'consuming orders');
  }

  /**
   * Removes a consumer that can never take a job again, so that the next round starts a new one.
   */
  function dropDead(shard: number): void {
    const consumer = consumers.get(shard);
    if (consumer === undefined || (!consumer.hasFailed && consumer.worker.isRunning())) return;
    consumers.delete(shard);
    log.warn({ shard }, 'a consumer ended; starting another one');
    consumer.connection.disconnect();
    // Its active jobs run again as stalled jobs.
    consumer.worker.close(true).catch(() => undefined);
  }

  const watch = repeating(
    {
      name: 'order_consumers',
      intervalMs: SHARDS_INTERVAL_MS,
      async round() {
        for (const shard of consumers.keys()) dropDead(shard);
        for (const shard of await listShards(db)) if (!consumers.has(shard)) consume(shard);
      },
    },
    log,
    metrics,
  );

  return {
    start: () => watch.start(),
    async stop() {
      await watch.stop();
      const closing = [...consumers.values()].map(async ({ worker, connection }) => {
        // While Redis does not answer, BullMQ would wait for it to close properly. Active jobs then
        // run again as stalled jobs.
        await worker.close(connection.status !== 'ready');
        connection.disconnect();
      });
      // The writer ends its transaction and returns the other jobs, so that the workers can close.
      await Promise.all([writer.stop(), ...closing]);
      consumers.clear();
    },
  };
}
