import { setTimeout as delay } from 'node:timers/promises';
import type { SaleRef } from '@flash-sale/shared/domain/sale.ts';
import type { Db } from '@flash-sale/shared/db/client.ts';
import { listShards } from '@flash-sale/shared/db/products.ts';
import type { Commands } from '@flash-sale/shared/redis/commands.ts';
import { perShard } from '@flash-sale/shared/redis/per-shard.ts';
import type { Logger } from '@flash-sale/shared/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/telemetry/metrics.ts';

/** Something that runs by itself for as long as the process lives. */
export interface Service {
  start(): void;
  /** Ends after the round that is under way. Safe to call twice, or before `start`. */
  stop(): Promise<void>;
}

/** One kind of round of a service. */
export interface Rounds {
  readonly name: string;
  readonly interval_ms: number;
  /** Does what there is to do now. What it throws is logged, and the next round tries again. */
  readonly round: (stopping: AbortSignal) => Promise<void>;
  /** Takes back what the last round told, where this process does not lead any more or cannot tell. */
  readonly rest?: () => void;
}

/** A service that does a round, rests for `interval_ms`, and so on. */
export function repeating(
  { name, interval_ms, round, rest }: Rounds,
  log: Logger,
  metrics?: Pick<Metrics, 'rounds_failed'>,
): Service {
  metrics?.rounds_failed.inc({ service: name }, 0);
  const stopping = new AbortController();
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await round(stopping.signal);
      } catch (error) {
        rest?.();
        metrics?.rounds_failed.inc({ service: name });
        log.warn({ err: error, service: name }, 'round failed');
      }
      await delay(interval_ms, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  return {
    start() {
      running ??= run();
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

/** How long a leader that died stays one, beyond its next round. */
const LEAD_SLACK_MS = 3_000;

/**
 * A repeating service of one shard that one process runs at a time: whoever leads, by a lease in that shard's Redis that the rounds renew. Two may overlap where a round
 * takes longer than the lease lives; that costs work and harms nothing, since what a round changes is guarded by itself.
 */
export function led(
  rounds: Rounds,
  deps: {
    readonly commands: Commands;
    readonly log: Logger;
    readonly process_name: string;
    readonly shard: number;
    readonly metrics?: Pick<Metrics, 'rounds_failed'>;
  },
): Service {
  const { commands, log, process_name, shard, metrics } = deps;
  let leads = false;
  const service = repeating(
    {
      ...rounds,
      async round(stopping) {
        leads = false;
        leads = await commands.lead(shard, rounds.name, process_name, rounds.interval_ms + LEAD_SLACK_MS);
        if (leads) await rounds.round(stopping);
        else rounds.rest?.();
      },
    },
    log,
    metrics,
  );
  return {
    start: () => service.start(),
    async stop() {
      await service.stop();
      if (leads) await commands.resign(shard, rounds.name, process_name).catch(() => undefined);
    },
  };
}

const SHARDS_INTERVAL_MS = 1_000;

/**
 * The services of every shard that has sales, started when the shard is first seen. Each shard has rounds of its own, so that one whose
 * Redis is away, or hangs, keeps no other waiting.
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
      interval_ms: SHARDS_INTERVAL_MS,
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

/** Does the work of a round for one sale after the other. What one of them throws is logged, and keeps no other waiting. */
export async function forEachSale<Item extends SaleRef>(
  sales: readonly Item[],
  { stopping, log, service }: { readonly stopping: AbortSignal; readonly log: Logger; readonly service: string },
  work: (sale: Item) => Promise<unknown>,
): Promise<void> {
  for (const sale of sales) {
    if (stopping.aborted) return;
    try {
      await work(sale);
    } catch (error) {
      log.warn({ err: error, service, sale: sale.id }, 'sale skipped in this round');
    }
  }
}
