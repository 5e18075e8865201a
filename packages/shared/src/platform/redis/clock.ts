import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import { repeating, type Service } from '../process/service.ts';
import type { RedisClient } from './client.ts';
import type { ClockCommand } from './clock-command.ts';

const LEARN_INTERVAL_MS = 1_000;
const RETRY_MS = 50;

/**
 * The time of one shard's Redis, as this process knows it: the server's answer plus a local clock
 * that never jumps. It is measured again each second and after each new connection.
 */
export class RedisClock implements Clock {
  readonly #commands: ClockCommand;
  readonly #shard: number;
  readonly #redis: RedisClient;
  readonly #learnQuietly = () => void this.learn().catch(() => undefined);
  #offset_ms = Date.now() - performance.now();
  #history_id = '';
  #asked_ms = -Infinity;
  #service: Service | undefined;

  constructor(redis: RedisClient, commands: ClockCommand, shard: number) {
    this.#redis = redis;
    this.#commands = commands;
    this.#shard = shard;
  }

  /** The history of Redis in the last answer; '' before the first answer. */
  get history_id(): string {
    return this.#history_id;
  }

  now_ms(): number {
    return Math.floor(performance.now() + this.#offset_ms);
  }

  /**
   * Reads the clock once. The server read it at some time within the round trip. Its middle is the
   * best estimate.
   */
  async learn(): Promise<void> {
    const asked_ms = performance.now();
    const { now_ms, history_id } = await this.#commands.clock(this.#shard);
    // A new connection is asked at once, and may answer before the lost one.
    if (asked_ms < this.#asked_ms) return;
    this.#asked_ms = asked_ms;
    this.#offset_ms = now_ms - (asked_ms + performance.now()) / 2;
    this.#history_id = history_id;
  }

  /** Resolves when the time is known, or after `limit_ms`. */
  async untilKnown(limit_ms: number): Promise<void> {
    const until_ms = performance.now() + limit_ms;
    while (this.#history_id === '' && performance.now() < until_ms) {
      await this.learn().catch(() => delay(RETRY_MS));
    }
  }

  start(): void {
    this.#redis.on('ready', this.#learnQuietly);
    const round = () => this.learn().catch(() => undefined);
    this.#service = repeating({ name: 'clock', interval_ms: LEARN_INTERVAL_MS, round });
    this.#service.start();
  }

  stop(): void {
    this.#redis.off('ready', this.#learnQuietly);
    void this.#service?.stop();
  }
}
