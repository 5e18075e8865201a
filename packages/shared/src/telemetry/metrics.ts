import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** What one process counts and times; served on its ops port in Prometheus's text format. */
export type Metrics = ReturnType<typeof createMetrics>;

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const BATCH_SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500];

export function createMetrics(name: 'api' | 'worker') {
  const registry = new Registry();
  registry.setDefaultLabels({ process: name });
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    requests: new Counter({
      name: 'seckill_requests_total',
      help: 'HTTP requests by route and status.',
      labelNames: ['route', 'status'],
      registers,
    }),
    admissions: new Counter({
      name: 'seckill_admissions_total',
      help: 'Buys by outcome.',
      labelNames: ['outcome'],
      registers,
    }),
    admission_batch: new Histogram({
      name: 'seckill_admission_batch_size',
      help: 'Buys per micro-batch.',
      buckets: BATCH_SIZES,
      registers,
    }),
    admission_seconds: new Histogram({
      name: 'seckill_admission_seconds',
      help: 'Time of an admit call.',
      buckets: SECONDS,
      registers,
    }),
    jobs_not_added: new Counter({
      name: 'seckill_jobs_not_added_total',
      help: 'Jobs that could not be added after an admission; the relay adds them.',
      registers,
    }),
    poll_waiters: new Gauge({ name: 'seckill_poll_waiters', help: 'Long polls that wait now.', registers }),
    write_batch: new Histogram({
      name: 'seckill_write_batch_size',
      help: 'Orders per transaction.',
      buckets: BATCH_SIZES,
      registers,
    }),
    write_seconds: new Histogram({
      name: 'seckill_write_seconds',
      help: 'Time of a transaction that writes orders, settling included.',
      buckets: SECONDS,
      registers,
    }),
    orders_written: new Counter({
      name: 'seckill_orders_written_total',
      help: 'Orders written to the ledger, by status.',
      labelNames: ['status'],
      registers,
    }),
    orders_expired: new Counter({ name: 'seckill_orders_expired_total', help: 'Orders not paid in time.', registers }),
    write_retries: new Counter({
      name: 'seckill_write_retries_total',
      help: 'Transactions that were run again.',
      registers,
    }),
    leases_lost: new Counter({ name: 'seckill_leases_lost_total', help: 'Leases lost while held.', registers }),
    jobs_relayed: new Counter({
      name: 'seckill_jobs_relayed_total',
      help: 'Jobs that the relay offered to the queue again.',
      registers,
    }),
    rebuilds: new Counter({ name: 'seckill_rebuilds_total', help: 'Sales loaded into Redis.', registers }),
    conservation_gap: new Gauge({
      name: 'seckill_conservation_gap',
      help: 'available + owners - seckill_stock of a sale at its last audit; anything but 0 is a drift.',
      labelNames: ['sale'],
      registers,
    }),
    drifts: new Counter({ name: 'seckill_drifts_total', help: 'Audits that found a sale to drift.', registers }),
    units_given_back: new Counter({
      name: 'seckill_units_given_back_total',
      help: 'Units of closed and failed orders that went back on sale.',
      registers,
    }),
    order_events_delivered: new Counter({
      name: 'seckill_order_events_delivered_total',
      help: 'Order events that their receiver took.',
      registers,
    }),
    order_event_attempts: new Counter({
      name: 'seckill_order_event_attempts_total',
      help: 'Attempts to deliver a message of order events, by outcome: delivered, failed, dead.',
      labelNames: ['outcome'],
      registers,
    }),
    order_events_oldest_seconds: new Gauge({
      name: 'seckill_order_events_oldest_seconds',
      help: 'Age of the oldest order event that is neither delivered nor dead, as the process that delivers sees it.',
      registers,
    }),
  };
}
