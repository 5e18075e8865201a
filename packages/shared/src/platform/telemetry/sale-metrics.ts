import { Gauge, type Registry } from 'prom-client';

/**
 * Maximum number of sales of a shard with metrics of their own: each costs Prometheus eight series.
 */
export const SALES_SHOWN_MAX = 50;

/**
 * Metrics of sales and shards, read from Redis and MySQL. One worker at a time reports them for
 * each shard (`worker/src/services/figures.ts`; the auditor reports the gap). When the lead
 * changes, two may do so for a moment: use `max by`, and sum only its result.
 */
export function saleAndShardMetrics(registers: Registry[]) {
  const ofSale = (name: string, help: string) =>
    new Gauge({ name: `seckill_${name}`, help, labelNames: ['sale'], registers });
  const ofShard = (name: string, help: string) =>
    new Gauge({ name: `seckill_${name}`, help, labelNames: ['shard'], registers });
  return {
    saleUnits: ofSale('sale_units', 'Units that the sale has: `seckill_stock`.'),
    saleAvailable: ofSale('sale_available', 'Available units.'),
    saleHeld: ofSale('sale_held', 'Units that shoppers hold.'),
    saleReservations: ofSale('sale_reservations', 'Accepted orders that wait for the ledger.'),
    saleOldestReservationSeconds: ofSale('sale_oldest_reservation_seconds', 'Age of the oldest reservation, else 0.'),
    saleSold: ofSale('sale_sold', 'Units of live orders in the ledger.'),
    saleOpen: ofSale('sale_open', "1 from the start of the sale to its end, by Redis's clock, paused or not; else 0."),
    saleReady: ofSale('sale_ready', '1 while the sale is loaded in this history of Redis; else 0.'),
    conservationGap: ofSale(
      'conservation_gap',
      'available + held - seckill_stock after the last audit of the sale and its repair, if one was needed.',
    ),
    unrepairedDrift: ofSale(
      'unrepaired_drift',
      '1 if the last audit found a drift and could not repair it; else missing.',
    ),
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
    shardHeld: ofShard('shard_held', 'Held units of all live sales of a shard that are ready.'),
    shardSold: ofShard('shard_sold', 'Units of live orders in the ledger, of all live sales of a shard.'),
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
