import type { Order } from '@flash-sale/shared/order/order.ts';
import { batchNoOf } from '@flash-sale/shared/order/order-number.ts';
import { settledBatchesOf, settledOrdersOf } from '@flash-sale/shared/order/settled-record.ts';
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
  readonly orderNo: string;
  #isNotified = false;
  #settled: Order | undefined;
  #wake: (() => void) | undefined;

  constructor(orderNo: string) {
    this.orderNo = orderNo;
  }

  /** @param settled the order, if the message has it */
  notify(settled?: Order): void {
    this.#isNotified = true;
    this.#settled ??= settled;
    this.#wake?.();
  }

  /** Drops earlier messages. Called before each reading. */
  forget(): void {
    this.#isNotified = false;
    this.#settled = undefined;
  }

  /**
   * Waits for the next message, for `limitMs` at most. Returns the order, if the message has it.
   */
  async next(limitMs: number): Promise<Order | undefined> {
    if (!this.#isNotified) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, limitMs);
      this.#wake = resolve;
      await promise;
      clearTimeout(timer);
    }
    return this.#settled;
  }
}

/** The subscription to one sale's channel. */
interface Channel {
  readonly saleId: number;
  /**
   * Resolves when Redis has confirmed the subscription; undefined after a refusal, so that the next
   * poll asks again.
   */
  subscribed: Promise<unknown> | undefined;
  isSubscribed: boolean;
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
      const channel = this.#channels.get(name);
      if (channel !== undefined) notifySettled(channel, message);
    });
    // Messages are lost while there is no connection, so let every poll read again.
    deps.subscriber.on('ready', () => this.#notifyAll());
    deps.metrics.pollWaiters.ask({}, () => this.#waiting);
  }

  /**
   * Reads until the order is not queued or until the time is over. It subscribes first, so that no
   * message between a reading and the wait is missed. A message with the order is the answer: the
   * order became what it says after the last reading, so during the poll. Otherwise it reads at
   * each settlement of its batch, at each new connection, and once a second.
   *
   * The first reading may say "queued" of an order that is written already: then it is not the
   * answer.
   */
  async readUntilSettled(
    sale: SaleRef,
    orderNo: string,
    options: {
      /** The maximum wait. */
      readonly waitMs: number;
      /** Aborted when the client has gone. */
      readonly gone: AbortSignal;
      readonly read: (reading: { readonly isFirst: boolean }) => Promise<Order | undefined>;
    },
  ): Promise<Order | undefined> {
    const { waitMs, gone, read } = options;
    if (this.#waiting >= (this.#deps.waitersMax ?? WAITERS_MAX)) return read({ isFirst: false });
    const untilMs = performance.now() + waitMs;
    const listener = new Listener(orderNo);
    const notify = () => listener.notify();
    const { channel, leave } = this.#join(sale, listener);
    gone.addEventListener('abort', notify);
    try {
      if (!channel.isSubscribed) {
        const subscribed = channel.subscribed?.then(notify);
        await Promise.race([subscribed, listener.next(Math.min(waitMs, SUBSCRIBED_MS_MAX))]);
      }
      const leftMs = (): number => (gone.aborted || this.#closed ? 0 : untilMs - performance.now());
      for (let isFirst = true; ; isFirst = false) {
        listener.forget();
        const order = await read({ isFirst });
        if (order?.status !== 'queued' || (!isFirst && leftMs() <= 0)) return order;
        const settled = leftMs() > 0 ? await listener.next(Math.min(leftMs(), READ_AGAIN_MS)) : undefined;
        if (settled !== undefined) return settled;
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

  #join(sale: SaleRef, listener: Listener): { channel: Channel; leave: () => void } {
    const { subscriber, keys } = this.#deps;
    const name = keys.sale(sale).settled;
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      channel = { saleId: sale.id, subscribed: undefined, isSubscribed: false, listeners: new Map(), polls: 0 };
      this.#channels.set(name, channel);
    }
    const joined = channel;
    joined.subscribed ??= this.#subscribe(name, joined);
    const { listeners } = joined;
    const batchNo = batchNoOf(listener.orderNo);
    const ofBatch = listeners.get(batchNo) ?? new Set();
    listeners.set(batchNo, ofBatch.add(listener));
    joined.polls += 1;
    this.#waiting += 1;

    const leave = (): void => {
      this.#waiting -= 1;
      ofBatch.delete(listener);
      if (ofBatch.size === 0) listeners.delete(batchNo);
      joined.polls -= 1;
      if (joined.polls > 0) return;
      this.#channels.delete(name);
      subscriber.unsubscribe(name).catch(() => undefined);
    };
    return { channel: joined, leave };
  }

  async #subscribe(name: string, channel: Channel): Promise<void> {
    try {
      await this.#deps.subscriber.subscribe(name);
      channel.isSubscribed = true;
    } catch {
      channel.subscribed = undefined;
    }
  }

  #notifyAll(): void {
    for (const { listeners } of this.#channels.values()) {
      for (const ofBatch of listeners.values()) for (const listener of ofBatch) listener.notify();
    }
  }
}

/** Wakes the polls of the batches in a message of `settle`, each with its order. */
function notifySettled({ saleId, listeners }: Channel, message: string): void {
  for (const { batchNo, record } of settledBatchesOf(message)) {
    const ofBatch = listeners.get(batchNo);
    if (ofBatch === undefined) continue;
    const orders = settledOrdersOf(saleId, record);
    for (const listener of ofBatch) listener.notify(orders.get(listener.orderNo));
  }
}
