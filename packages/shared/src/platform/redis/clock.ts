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
  #offsetMs = Date.now() - performance.now();
  #historyId = '';
  #askedMs = -Infinity;
  #service: Service | undefined;

  constructor(redis: RedisClient, commands: ClockCommand, shard: number) {
    this.#redis = redis;
    this.#commands = commands;
    this.#shard = shard;
  }

  /** The history of Redis in the last answer; '' before the first answer. */
  get historyId(): string {
    return this.#historyId;
  }

  nowMs(): number {
    return Math.floor(performance.now() + this.#offsetMs);
  }

  /**
   * Reads the clock once. The server read it at some time within the round trip. Its middle is the
   * best estimate.
   */
  async learn(): Promise<void> {
    const askedMs = performance.now();
    const { nowMs, historyId } = await this.#commands.clock(this.#shard);
    // A new connection is asked at once, and may answer before the lost one.
    if (askedMs < this.#askedMs) return;
    this.#askedMs = askedMs;
    this.#offsetMs = nowMs - (askedMs + performance.now()) / 2;
    this.#historyId = historyId;
  }

  /** Resolves when the time is known, or after `limitMs`. */
  async untilKnown(limitMs: number): Promise<void> {
    const untilMs = performance.now() + limitMs;
    while (this.#historyId === '' && performance.now() < untilMs) {
      await this.learn().catch(() => delay(RETRY_MS));
    }
  }

  start(): void {
    this.#redis.on('ready', this.#learnQuietly);
    const round = () => this.learn().catch(() => undefined);
    this.#service = repeating({ name: 'clock', intervalMs: LEARN_INTERVAL_MS, round });
    this.#service.start();
  }

  stop(): void {
    this.#redis.off('ready', this.#learnQuietly);
    void this.#service?.stop();
  }
}
