import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { listShards } from '@flash-sale/shared/sale/products-table.ts';
import { repeating, type Service } from '@flash-sale/shared/platform/process/service.ts';
import { perShard } from '@flash-sale/shared/platform/redis/per-shard.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import { Failures } from './outage.ts';

const SHARDS_INTERVAL_MS = 1_000;

/**
 * The services of every shard that has sales, started when the shard is first seen. Each shard has
 * its own rounds, so that a shard whose Redis does not answer delays no other.
 */
export function forEachShard(
  { db, log }: { readonly db: Db; readonly log: Logger },
  servicesOf: (shard: number) => readonly Service[],
): Service {
  const started = perShard((shard) => {
    const services = servicesOf(shard);
    for (const service of services) service.start();
    return services;
  });
  const watch = repeating(
    {
      name: 'shards',
      intervalMs: SHARDS_INTERVAL_MS,
      async round() {
        for (const shard of await listShards(db)) started.of(shard);
      },
    },
    log,
  );
  return {
    start: () => watch.start(),
    async stop() {
      await watch.stop();
      await Promise.all(started.all().flatMap((services) => services.map((service) => service.stop())));
    },
  };
}

/** After this many outages a round ends: each further sale would wait for the same timeouts. */
const OUTAGES_MAX = 3;

/**
 * Does the work of a round for each sale in turn. An error of one sale is logged and does not stop
 * the others.
 *
 * @throws the first outage, at the end of the round
 */
export async function forEachSale<Item extends SaleRef>(
  sales: readonly Item[],
  { stopping, log, service }: { readonly stopping: AbortSignal; readonly log: Logger; readonly service: string },
  work: (sale: Item) => Promise<unknown>,
): Promise<void> {
  const failures = new Failures();
  for (const sale of sales) {
    if (stopping.aborted || failures.outages >= OUTAGES_MAX) break;
    try {
      await work(sale);
    } catch (error) {
      failures.note(error);
      log.warn({ err: error, service, sale: sale.id }, 'skipped the sale in this round');
    }
  }
  failures.endRound();
}
