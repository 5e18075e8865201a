import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import { repeating, type Service } from '@flash-sale/shared/platform/process/service.ts';
import type { RedisClient } from '@flash-sale/shared/platform/redis/client.ts';
import { readServerInfo } from '@flash-sale/shared/platform/redis/server-info.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';

/** The share of Redis's `maxmemory` above which seckill tokens and buys are shed. */
const REDIS_MEMORY_SHARE_MAX = 0.8;
const MEASURE_MS = 500;
const RESOLUTION_MS = 10;
/** How long the gates believe that a process sheds. */
const TOLD_MS = 1_500;

export interface PressureDeps {
  readonly config: Pick<Config, 'EVENT_LOOP_DELAY_MAX_MS' | 'SHARDS'>;
  readonly commands: Pick<Commands, 'noteShedding'>;
  readonly redis: RedisClient;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'shedding'>;
}

/**
 * Decides when to shed load: if this process cannot keep up, or Redis is almost full. Polls and
 * product reads go on: they take no units, and polls end the waiting of shoppers who have bought.
 */
export class Pressure {
  readonly #deps: PressureDeps;
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #reason: 'event loop' | 'redis memory' | undefined;
  readonly #service: Service;

  constructor(deps: PressureDeps) {
    this.#deps = deps;
    this.#service = repeating({ name: 'pressure', intervalMs: MEASURE_MS, round: () => this.#measure() }, deps.log);
  }

  /** Whether seckill tokens and buys are shed now. */
  get sheds(): boolean {
    return this.#reason !== undefined;
  }

  start(): void {
    this.#delay.enable();
    this.#service.start();
  }

  async stop(): Promise<void> {
    await this.#service.stop();
    this.#delay.disable();
  }

  async #measure(): Promise<void> {
    const { config, log, metrics } = this.#deps;
    const delayMs = this.#delay.mean / 1e6 - RESOLUTION_MS;
    this.#delay.reset();
    const redisFull = await this.#redisIsFull();
    const reason = delayMs > config.EVENT_LOOP_DELAY_MAX_MS ? 'event loop' : redisFull ? 'redis memory' : undefined;
    if (reason !== this.#reason)
      log.warn({ reason, delay_ms: delayMs }, reason === undefined ? 'load shedding ended' : 'load shedding started');
    this.#reason = reason;
    if (this.sheds) this.#tellGates();
    metrics.shedding.set({ reason: 'event_loop' }, reason === 'event loop' ? 1 : 0);
    metrics.shedding.set({ reason: 'redis_memory' }, reason === 'redis memory' ? 1 : 0);
  }

  /** While one process sheds, no waiting room calls anybody. */
  #tellGates(): void {
    const { config, commands } = this.#deps;
    for (let shard = 0; shard < config.SHARDS; shard += 1) {
      commands.noteShedding(shard, TOLD_MS).catch(() => undefined);
    }
  }

  async #redisIsFull(): Promise<boolean> {
    try {
      const servers = await readServerInfo(this.#deps.redis);
      return servers.some(
        (server) =>
          server.maxmemoryBytes > 0 && server.usedMemoryBytes > REDIS_MEMORY_SHARE_MAX * server.maxmemoryBytes,
      );
    } catch {
      // Redis does not answer: the calls themselves report it.
      return this.#reason === 'redis memory';
    }
  }
}
