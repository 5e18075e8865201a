import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import type { RedisClient } from '@flash-sale/shared/platform/redis/client.ts';
import type { Keys } from '@flash-sale/shared/platform/redis/keys.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';

/** How long a waiting poll goes without looking, in case a message was lost. */
const LOOK_AGAIN_MS = 1_000;

/**
 * How long the first reading waits for the subscription. Of a cluster it may be kept by a master that hangs, while the sale's own is well:
 * then reading once a second has to do.
 */
const SUBSCRIBED_MS_MAX = 100;
/** Long polls that one process keeps open. One more is answered at once. */
const WAITERS_MAX = 10_000;

export interface SettlementsDeps {
  /** A connection of its own: a subscriber can do nothing else. */
  readonly subscriber: RedisClient;
  readonly keys: Keys;
  readonly metrics: Metrics;
  /** Long polls open at once. Tests make it small. */
  readonly waitersMax?: number | undefined;
}

/** One waiting poll. News that comes while it reads is kept until it waits again. */
class Listener {
  #news = false;
  #wake: (() => void) | undefined;

  tell(): void {
    this.#news = true;
    this.#wake?.();
  }

  /** Forgets what came until now; called before each reading. */
  forget(): void {
    this.#news = false;
  }

  /** Resolves at the next news, at the latest after `limit_ms`. */
  async next(limit_ms: number): Promise<void> {
    if (this.#news) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limit_ms);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
  }
}

/** The subscription to one sale's channel. */
interface Channel {
  /** Resolves once Redis has confirmed it; undefined where Redis has refused, so that the next poll asks again. */
  subscribed: Promise<unknown> | undefined;
  readonly listeners: Map<string, Set<Listener>>;
  polls: number;
}

/** Tells waiting polls when their order is settled: one subscription per sale, however many wait. */
export class Settlements {
  readonly #deps: SettlementsDeps;
  readonly #channels = new Map<string, Channel>();
  #waiting = 0;
  #closed = false;

  constructor(deps: SettlementsDeps) {
    this.#deps = deps;
    deps.subscriber.on('message', (name: string, message: string) => {
      const listeners = this.#channels.get(name)?.listeners;
      if (listeners === undefined) return;
      for (const orderNo of message.split(' ')) listeners.get(orderNo)?.forEach((listener) => listener.tell());
    });
    // Messages of the time without a connection are lost: everybody looks for themselves.
    deps.subscriber.on('ready', () => this.#tellAll());
  }

  /**
   * Reads until `done` or until the time is over: subscribes first, so that nothing is missed between a reading and the wait for news
   * of it; reads at each settlement of the order, at each new connection, and once a second.
   *
   * @returns the last reading
   */
  async readUntil<Reading>(
    sale: SaleRef,
    orderNo: string,
    options: {
      /** How long to wait at the most. */
      readonly wait_ms: number;
      /** Aborted when nobody waits for the answer any more. */
      readonly gone: AbortSignal;
      readonly read: () => Promise<Reading>;
      readonly done: (reading: Reading) => boolean;
    },
  ): Promise<Reading> {
    const { wait_ms, gone, read, done } = options;
    if (this.#waiting >= (this.#deps.waitersMax ?? WAITERS_MAX)) return read();
    const until_ms = performance.now() + wait_ms;
    const listener = new Listener();
    const tell = () => listener.tell();
    const { subscribed, leave } = this.#join(sale, orderNo, listener);
    gone.addEventListener('abort', tell);
    try {
      await Promise.race([subscribed.then(tell), listener.next(Math.min(wait_ms, SUBSCRIBED_MS_MAX))]);
      for (;;) {
        listener.forget();
        const reading = await read();
        const left_ms = until_ms - performance.now();
        if (done(reading) || left_ms <= 0 || gone.aborted || this.#closed) return reading;
        await listener.next(Math.min(left_ms, LOOK_AGAIN_MS));
      }
    } finally {
      gone.removeEventListener('abort', tell);
      leave();
    }
  }

  /** Answers every waiting poll now, with one last reading. */
  close(): void {
    this.#closed = true;
    this.#tellAll();
  }

  #join(sale: SaleRef, orderNo: string, listener: Listener): { subscribed: Promise<unknown>; leave: () => void } {
    const { subscriber, keys, metrics } = this.#deps;
    const name = keys.sale(sale).settled;
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      channel = { subscribed: undefined, listeners: new Map(), polls: 0 };
      this.#channels.set(name, channel);
    }
    const subscribed = (channel.subscribed ??= this.#subscribe(name, channel));
    const { listeners } = channel;
    const ofOrder = listeners.get(orderNo) ?? new Set();
    listeners.set(orderNo, ofOrder.add(listener));
    channel.polls += 1;
    metrics.poll_waiters.set((this.#waiting += 1));

    const leave = (): void => {
      metrics.poll_waiters.set((this.#waiting -= 1));
      ofOrder.delete(listener);
      if (ofOrder.size === 0) listeners.delete(orderNo);
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

  #tellAll(): void {
    for (const { listeners } of this.#channels.values()) {
      for (const ofOrder of listeners.values()) for (const listener of ofOrder) listener.tell();
    }
  }
}
