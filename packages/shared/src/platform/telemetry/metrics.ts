import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry, type Metric } from 'prom-client';
import { HotTimes, Polled, Tally } from './hot-metrics.ts';

/**
 * Maximum number of sales of a shard with metrics of their own: each costs Prometheus eight series.
 */
export const SALES_SHOWN_MAX = 50;
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const BATCH_SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500];

/**
 * The metrics of one process, served on its ops port in Prometheus's text format. A process serves
 * the metrics of its own kind and the common ones. The others exist only so that shared code need
 * not ask in which process it runs.
 */
export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics(name: 'api' | 'worker') {
  const registry = new Registry();
  registry.setDefaultLabels({ process: name });
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    ...apiMetrics(name === 'api' ? [registry] : []),
    ...workerMetrics(name === 'worker' ? [registry] : []),
    ...saleAndShardMetrics(name === 'worker' ? [registry] : []),
    ...connectionMetrics([registry]),
  };
}

/** Metrics of api processes: requests and admissions. */
function apiMetrics(registers: Registry[]) {
  return {
    requests: new Tally({
      name: 'seckill_requests_total',
      help: 'HTTP requests by route and outcome: `ok`, or the code of the error.',
      labelNames: ['route', 'outcome'],
      fromZero: ['ok', 'overloaded', 'unavailable', 'internal'],
      registers,
    }),
    requestSeconds: new HotTimes({
      name: 'seckill_request_seconds',
      help: 'Time to answer a request, by route. Includes the wait of long polls.',
      labelNames: ['route'],
      buckets: SECONDS,
      registers,
    }),
    admissions: new Counter({
      name: 'seckill_admissions_total',
      help: 'Buys that reached admission, by outcome: `accepted`, `replayed`, or the code of the error.',
      labelNames: ['outcome'],
      registers,
    }),
    admissionBatch: new Histogram({
      name: 'seckill_admission_batch_size',
      help: 'Buys per micro-batch.',
      buckets: BATCH_SIZES,
      registers,
    }),
    admissionSeconds: new Histogram({
      name: 'seckill_admission_seconds',
      help: 'Time of an admit call: the round trip to Redis and the script.',
      buckets: SECONDS,
      registers,
    }),
    admissionCalls: new Polled({
      name: 'seckill_admission_calls',
      help: 'Admit calls in flight, all sales together.',
      registers,
    }),
    admissionWaiting: new Polled({
      name: 'seckill_admission_waiting',
      help: 'Buys that wait for their micro-batch.',
      registers,
    }),
    tokenBatch: new Histogram({
      name: 'seckill_token_batch_size',
      help: 'Seckill tokens per micro-batch.',
      buckets: BATCH_SIZES,
      registers,
    }),
    tokensWaiting: new Polled({
      name: 'seckill_tokens_waiting',
      help: 'Shoppers that wait for the micro-batch of their seckill token.',
      registers,
    }),
    shedding: new Gauge({
      name: 'seckill_shedding',
      help: '1 while this process sheds seckill tokens and buys, by reason: `event_loop` or `redis_memory`.',
      labelNames: ['reason'],
      registers,
    }),
    jobsNotAdded: new Counter({
      name: 'seckill_jobs_not_added_total',
      help: 'Jobs that could not be added after an admission; the relay adds them.',
      registers,
    }),
    accessTokensRefused: new Counter({
      name: 'seckill_access_tokens_refused_total',
      help: 'Calls without a valid access token, by reason: `missing`, `malformed`, `algorithm`, `key` (`kid`), `signature`, `issuer`, `audience`, `not_before`, `expiry` or `subject`.',
      labelNames: ['reason'],
      registers,
    }),
    keySetAgeSeconds: new Polled({
      name: 'seckill_key_set_age_seconds',
      help: 'Time since the key set of `JWKS_URL` was fetched; before the first fetch, since the process started. The next fetch is at 600 s.',
      registers,
    }),
    keySetFetches: new Counter({
      name: 'seckill_key_set_fetches_total',
      help: 'Fetches of the key set, by outcome: `ok` or `failed`. While fetches fail, the last good set is used.',
      labelNames: ['outcome'],
      registers,
    }),
    pollWaiters: new Gauge({ name: 'seckill_poll_waiters', help: 'Long polls that wait now.', registers }),
  };
}

/** Metrics of worker processes: the order writer and the services. */
function workerMetrics(registers: Registry[]) {
  const metrics = {
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
    drifts: new Counter({ name: 'seckill_drifts_total', help: 'Audits that found a sale to drift.', registers }),
    roundsFailed: new Counter({
      name: 'seckill_service_rounds_failed_total',
      help: 'Failed rounds of a service, by service. The next round tries again.',
      labelNames: ['service'],
      registers,
    }),
  };
  return metrics;
}

/**
 * Metrics of sales and shards, read from Redis and MySQL. One worker at a time reports them for
 * each shard (`worker/src/services/sale-metrics.ts`; the auditor reports the gap). When the lead
 * changes, two may do so for a moment: use `max by`, and sum only its result.
 */
function saleAndShardMetrics(registers: Registry[]) {
  const ofSale = (name: string, help: string) =>
    new Gauge({ name: `seckill_${name}`, help, labelNames: ['sale'], registers });
  const ofShard = (name: string, help: string) =>
    new Gauge({ name: `seckill_${name}`, help, labelNames: ['shard'], registers });
  return {
    saleUnits: ofSale('sale_units', 'Units that the sale has: `seckill_stock`.'),
    saleAvailable: ofSale('sale_available', 'Available units.'),
    saleOwners: ofSale('sale_owners', 'Units that shoppers hold: the number of owners.'),
    saleReservations: ofSale('sale_reservations', 'Accepted orders that wait for the ledger.'),
    saleOldestReservationSeconds: ofSale('sale_oldest_reservation_seconds', 'Age of the oldest reservation, else 0.'),
    saleSold: ofSale('sale_sold', 'Live orders in the ledger.'),
    saleOpen: ofSale('sale_open', "1 from the start of the sale to its end, by Redis's clock, paused or not; else 0."),
    saleReady: ofSale('sale_ready', '1 while the sale is loaded in this history of Redis; else 0.'),
    conservationGap: ofSale(
      'conservation_gap',
      'available + owners - seckill_stock after the last audit of the sale and its repair, if one was needed.',
    ),
    unmendedDrift: ofSale('unmended_drift', '1 if the last audit found a drift and could not repair it; else missing.'),
    shardLiveSales: ofShard(
      'shard_live_sales',
      `Sales that open soon, are open, ended recently, or have reservations. At most ${SALES_SHOWN_MAX} of a shard have metrics.`,
    ),
    shardShownSales: ofShard('shard_shown_sales', `Live sales with metrics of their own, at most ${SALES_SHOWN_MAX}.`),
    shardUnreadySales: ofShard(
      'shard_unready_sales',
      'Sales that should sell and are not loaded in this history of Redis.',
    ),
    shardUnits: ofShard('shard_units', 'Units of all live sales of a shard.'),
    shardAvailable: ofShard('shard_available', 'Available units of all live sales of a shard that are ready.'),
    shardOwners: ofShard('shard_owners', 'Held units of all live sales of a shard that are ready.'),
    shardSold: ofShard('shard_sold', 'Live orders in the ledger, of all live sales of a shard.'),
    shardReservations: ofShard(
      'shard_reservations',
      'Accepted orders that wait for the ledger: the backlog of all sales of a shard.',
    ),
    shardOldestReservationSeconds: ofShard(
      'shard_oldest_reservation_seconds',
      'Age of the oldest reservation, else 0.',
    ),
    shardRedisUsedBytes: ofShard('shard_redis_used_bytes', 'Memory that the Redis of a shard uses.'),
    shardRedisMaxBytes: ofShard(
      'shard_redis_max_bytes',
      'The `maxmemory` of the Redis of a shard; 0 if there is no limit.',
    ),
    shardJobs: new Gauge({
      name: 'seckill_shard_jobs',
      help: 'Jobs in the queue of a shard, by state: `waiting`, `active`, `delayed` or `failed`.',
      labelNames: ['shard', 'state'],
      registers,
    }),
  };
}

/** Metrics of every process: leases, payments, and the connections to Redis and MySQL. */
function connectionMetrics(registers: Registry[]) {
  const metrics = {
    clockOffsetSeconds: new Gauge({
      name: 'seckill_clock_offset_seconds',
      help: 'How far the clock of a server (`redis` or `mysql`) is ahead of this process’s; negative: behind. With several shards, the largest.',
      labelNames: ['server'],
      registers,
    }),
    leaseWaitSeconds: new Histogram({
      name: 'seckill_lease_wait_seconds',
      help: 'Time until a lease was `taken`, or until the wait ended because it was `held_elsewhere`.',
      labelNames: ['outcome'],
      buckets: SECONDS,
      registers,
    }),
    leasesLost: new Counter({ name: 'seckill_leases_lost_total', help: 'Leases lost while held.', registers }),
    fencingRefusals: new Counter({
      name: 'seckill_fencing_refusals_total',
      help: 'Calls under a lease that `redis` or `mysql` refused because the caller did not hold the lease.',
      labelNames: ['at'],
      registers,
    }),
    paymentEvents: new Counter({
      name: 'seckill_payment_events_total',
      help: 'Events of the payment provider, from webhooks and answers, by outcome: `applied`, `repeated`, `wrong_amount`, or the reason why it changed nothing.',
      labelNames: ['outcome'],
      registers,
    }),
    paymentCalls: new Counter({
      name: 'seckill_payment_calls_total',
      help: 'Calls to the payment provider by call and outcome: `ok`, `refused` (access denied), `busy` or `failed`.',
      labelNames: ['call', 'outcome'],
      registers,
    }),
    redisScriptSeconds: new HotTimes({
      name: 'seckill_redis_script_seconds',
      help: 'Time of a script: the round trip to Redis and the script.',
      labelNames: ['script'],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1],
      registers,
    }),
    redisScriptErrors: new Counter({
      name: 'seckill_redis_script_errors_total',
      help: 'Scripts that Redis did not answer or refused.',
      labelNames: ['script'],
      registers,
    }),
    redisConnections: new Gauge({
      name: 'seckill_redis_connections',
      help: 'Working connections to Redis, by purpose.',
      labelNames: ['use'],
      registers,
    }),
    mysqlQuerySeconds: new HotTimes({
      name: 'seckill_mysql_query_seconds',
      help: 'Time of a statement that MySQL answered, by pool.',
      labelNames: ['pool'],
      buckets: SECONDS,
      registers,
    }),
    mysqlQueryErrors: new Counter({
      name: 'seckill_mysql_query_errors_total',
      help: 'Statements that MySQL did not answer or refused, by pool.',
      labelNames: ['pool'],
      registers,
    }),
    mysqlPoolConnections: new Polled({
      name: 'seckill_mysql_pool_connections',
      help: 'Connections of a pool, by state: `in_use` or `idle`.',
      labelNames: ['pool', 'state'],
      registers,
    }),
    mysqlPoolWaits: new Counter({
      name: 'seckill_mysql_pool_waits_total',
      help: 'Waits for a connection of a pool.',
      labelNames: ['pool'],
      registers,
    }),
  };
  for (const at of ['redis', 'mysql']) metrics.fencingRefusals.inc({ at }, 0);
  metrics.paymentEvents.inc({ outcome: 'wrong_amount' }, 0);
  for (const call of ['start', 'look', 'refund', 'expire', 'refund_events'])
    metrics.paymentCalls.inc({ call, outcome: 'refused' }, 0);
  return metrics;
}

/** One row of the generated metrics page. */
export interface MetricRow {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

/**
 * Every metric of the service by its source, for the docs. Those of the runtime are prom-client's
 * `collectDefaultMetrics`.
 */
export async function metricRows(): Promise<
  Readonly<Record<'api' | 'worker' | 'sales' | 'every' | 'runtime', MetricRow[]>>
> {
  const rowsOf = async (fill: (registry: Registry) => unknown): Promise<MetricRow[]> => {
    const registry = new Registry();
    fill(registry);
    return Promise.all(
      registry.getMetricsAsArray().map(async (listed) => {
        const metric = registry.getSingleMetric(listed.name)! as Metric & { readonly labelNames?: readonly string[] };
        const { name, type, help } = await metric.get();
        return { name, type: String(type), labels: metric.labelNames ?? [], help };
      }),
    );
  };
  return {
    api: await rowsOf((registry) => apiMetrics([registry])),
    worker: await rowsOf((registry) => workerMetrics([registry])),
    sales: await rowsOf((registry) => saleAndShardMetrics([registry])),
    every: await rowsOf((registry) => connectionMetrics([registry])),
    runtime: await rowsOf((registry) => collectDefaultMetrics({ register: registry })),
  };
}
