import { batchNoOf } from '@flash-sale/shared/order/order-number.ts';
import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import type { RedisClient } from '@flash-sale/shared/platform/redis/client.ts';
import type { Keys } from '@flash-sale/shared/platform/redis/keys.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';

/** How often a waiting poll reads without a message, in case a message was lost. */
const READ_AGAIN_MS = 1_000;

/**
 * How long the first reading waits for the subscription. In a cluster a hanging master may hold the
 * subscription while the sale's master works: then the poll reads once a second only.
 */
const SUBSCRIBED_MS_MAX = 100;
/** Maximum number of long polls that one process keeps open. Further ones are answered at once. */
const WAITERS_MAX = 10_000;

export interface OrderWaitersDeps {
  /** A separate connection: a subscriber can do nothing else. */
  readonly subscriber: RedisClient;
  readonly keys: Keys;
  readonly metrics: Metrics;
  /** Maximum number of open long polls. Tests set it lower. */
  readonly waitersMax?: number | undefined;
}

/** One waiting poll. A message that arrives while it reads is kept until it waits again. */
class Listener {
  #isNotified = false;
  #wake: (() => void) | undefined;

  notify(): void {
    this.#isNotified = true;
    this.#wake?.();
  }

  /** Drops earlier messages. Called before each reading. */
  forget(): void {
    this.#isNotified = false;
  }

  /** Resolves at the next message, or after `limitMs`. */
  async next(limitMs: number): Promise<void> {
    if (this.#isNotified) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limitMs);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
  }
}

/** The subscription to one sale's channel. */
interface Channel {
  /**
   * Resolves when Redis has confirmed the subscription; undefined after a refusal, so that the next
   * poll asks again.
   */
  subscribed: Promise<unknown> | undefined;
  /** By batch: a batch is settled as a whole. */
  readonly listeners: Map<string, Set<Listener>>;
  polls: number;
}

/**
 * Wakes waiting polls when their batch is settled: one subscription per sale for any number of
 * polls.
 */
export class OrderWaiters {
  readonly #deps: OrderWaitersDeps;
  readonly #channels = new Map<string, Channel>();
  #waiting = 0;
  #closed = false;

  constructor(deps: OrderWaitersDeps) {
    this.#deps = deps;
    deps.subscriber.on('message', (name: string, message: string) => {
      const listeners = this.#channels.get(name)?.listeners;
      if (listeners === undefined) return;
      for (const batchNo of message.split(' ')) listeners.get(batchNo)?.forEach((listener) => listener.notify());
    });
    // Messages are lost while there is no connection, so let every poll read again.
    deps.subscriber.on('ready', () => this.#notifyAll());
  }

  /**
   * Reads until `done` or until the time is over. It subscribes first, so that no message between a
   * reading and the wait is missed. It reads at each settlement of its batch, at each new
   * connection, and once a second.
   *
   * The first reading may say "queued" of an order that is written already: if it is not `done`, it
   * is not the answer.
   *
   * @returns the last reading
   */
  async readUntil<Reading>(
    sale: SaleRef,
    orderNo: string,
    options: {
      /** The maximum wait. */
      readonly waitMs: number;
      /** Aborted when the client has gone. */
      readonly gone: AbortSignal;
      readonly read: (reading: { readonly isFirst: boolean }) => Promise<Reading>;
      readonly done: (reading: Reading) => boolean;
    },
  ): Promise<Reading> {
    const { waitMs, gone, read, done } = options;
    if (this.#waiting >= (this.#deps.waitersMax ?? WAITERS_MAX)) return read({ isFirst: false });
    const untilMs = performance.now() + waitMs;
    const listener = new Listener();
    const notify = () => listener.notify();
    const { subscribed, leave } = this.#join(sale, batchNoOf(orderNo), listener);
    gone.addEventListener('abort', notify);
    try {
      await Promise.race([subscribed.then(notify), listener.next(Math.min(waitMs, SUBSCRIBED_MS_MAX))]);
      const leftMs = (): number => (gone.aborted || this.#closed ? 0 : untilMs - performance.now());
      for (let isFirst = true; ; isFirst = false) {
        listener.forget();
        const reading = await read({ isFirst });
        if (done(reading) || (!isFirst && leftMs() <= 0)) return reading;
        if (leftMs() > 0) await listener.next(Math.min(leftMs(), READ_AGAIN_MS));
      }
    } finally {
      gone.removeEventListener('abort', notify);
      leave();
    }
  }

  /** Answers every waiting poll now, with one last reading. */
  close(): void {
    this.#closed = true;
    this.#notifyAll();
  }

  #join(sale: SaleRef, batchNo: string, listener: Listener): { subscribed: Promise<unknown>; leave: () => void } {
    const { subscriber, keys, metrics } = this.#deps;
    const name = keys.sale(sale).settled;
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      channel = { subscribed: undefined, listeners: new Map(), polls: 0 };
      this.#channels.set(name, channel);
    }
    const subscribed = (channel.subscribed ??= this.#subscribe(name, channel));
    const { listeners } = channel;
    const ofBatch = listeners.get(batchNo) ?? new Set();
    listeners.set(batchNo, ofBatch.add(listener));
    channel.polls += 1;
    metrics.pollWaiters.set((this.#waiting += 1));

    const leave = (): void => {
      metrics.pollWaiters.set((this.#waiting -= 1));
      ofBatch.delete(listener);
      if (ofBatch.size === 0) listeners.delete(batchNo);
      channel.polls -= 1;
      if (channel.polls > 0) return;
      this.#channels.delete(name);
      subscriber.unsubscribe(name).catch(() => undefined);
    };
    return { subscribed, leave };
  }

  #subscribe(name: string, channel: Channel): Promise<unknown> {
    return this.#deps.subscriber.subscribe(name).catch(() => {
      channel.subscribed = undefined;
    });
  }

  #notifyAll(): void {
    for (const { listeners } of this.#channels.values()) {
      for (const ofBatch of listeners.values()) for (const listener of ofBatch) listener.notify();
    }
  }
}
