import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { SECONDS } from './buckets.ts';
import { HotTimes, Polled } from './hot-metrics.ts';

/** Metrics of every process: leases, payments, and the connections to Redis and MySQL. */
export function connectionMetrics(registers: Registry[]) {
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
      help: 'Calls to the payment provider by call and outcome: `ok`, `refused` (access denied), `busy`, `unanswered` or `failed`.',
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
      help: 'Time of a statement that MySQL answered, by pool: `general`, or `lease` for work under a lease.',
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
