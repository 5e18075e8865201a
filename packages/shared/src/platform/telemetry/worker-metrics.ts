import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { BATCH_SIZES, SECONDS } from './buckets.ts';

/** Metrics of worker processes: the order writer and the services. */
export function workerMetrics(registers: Registry[]) {
  return {
    jobsCompleted: new Counter({
      name: 'seckill_jobs_completed_total',
      help: 'Jobs whose orders are all settled, by shard.',
      labelNames: ['shard'],
      registers,
    }),
    jobsFailed: new Counter({
      name: 'seckill_jobs_failed_total',
      help: 'Attempts of jobs that ended with an error, by shard. The queue runs the job again.',
      labelNames: ['shard'],
      registers,
    }),
    jobsPutOff: new Counter({
      name: 'seckill_jobs_put_off_total',
      help: 'Jobs that returned to the queue because another process held the lease or this one was stopping, by shard.',
      labelNames: ['shard'],
      registers,
    }),
    jobsStalled: new Counter({
      name: 'seckill_jobs_stalled_total',
      help: 'Jobs of a lost worker that returned to the queue, by shard.',
      labelNames: ['shard'],
      registers,
    }),
    writeBatch: new Histogram({
      name: 'seckill_write_batch_size',
      help: 'Orders per transaction.',
      buckets: BATCH_SIZES,
      registers,
    }),
    writeSeconds: new Histogram({
      name: 'seckill_write_seconds',
      help: 'Time of a transaction that writes orders, settling included.',
      buckets: SECONDS,
      registers,
    }),
    ordersWritten: new Counter({
      name: 'seckill_orders_written_total',
      help: 'Orders written to the ledger, by shard and by status: `pending_payment` or `failed`.',
      labelNames: ['shard', 'status'],
      registers,
    }),
    ordersExpired: new Counter({ name: 'seckill_orders_expired_total', help: 'Orders not paid in time.', registers }),
    duePayments: new Counter({
      name: 'seckill_due_payments_total',
      help: 'Payments that arrived while Redis did not answer and whose orders were moved later.',
      registers,
    }),
    writeRetries: new Counter({
      name: 'seckill_write_retries_total',
      help: 'Retries of transactions.',
      registers,
    }),
    jobsRelayed: new Counter({
      name: 'seckill_jobs_relayed_total',
      help: 'Jobs that the relay added to the queue again.',
      registers,
    }),
    unitsGivenBack: new Counter({
      name: 'seckill_units_given_back_total',
      help: 'Units of closed and failed orders that were given back.',
      registers,
    }),
    orderEventsDelivered: new Counter({
      name: 'seckill_order_events_delivered_total',
      help: 'Order events that the receiver accepted.',
      registers,
    }),
    orderEventAttempts: new Counter({
      name: 'seckill_order_event_attempts_total',
      help: 'Attempts to deliver a message of order events, by outcome: delivered, failed, dead.',
      labelNames: ['outcome'],
      registers,
    }),
    orderEventsOldestSeconds: new Gauge({
      name: 'seckill_order_events_oldest_seconds',
      help: 'Age of the oldest order event that is neither delivered nor dead, reported by the process that delivers.',
      registers,
    }),
    paymentOldestSeconds: new Gauge({
      name: 'seckill_payment_oldest_seconds',
      help: 'Wait of the oldest payment, reported by the process that asks the provider, by kind: for its `refund`, or for the `answer` of a provider whose calls fail.',
      labelNames: ['waits_for'],
      registers,
    }),
    rebuilds: new Counter({ name: 'seckill_rebuilds_total', help: 'Sales that warm-up loaded into Redis.', registers }),
    drifts: new Counter({
      name: 'seckill_drifts_total',
      help: 'Audits that found a sale, or the outbox of a shard, to drift.',
      registers,
    }),
    roundsFailed: new Counter({
      name: 'seckill_service_rounds_failed_total',
      help: 'Failed rounds of a service, by service. The next round tries again.',
      labelNames: ['service'],
      registers,
    }),
  };
}
