import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import type { RedisClient } from '@flash-sale/shared/platform/redis/client.ts';
import type { Keys } from '@flash-sale/shared/platform/redis/keys.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { READING_MS, type RoomReader, type RoomReading } from './room-reader.ts';

/** Maximum number of open long polls of a process. Further ones are answered at once. */
const WAITERS_MAX = 15_000;

export interface RoomWaitersDeps {
  readonly rooms: RoomReader;
  /** A separate connection: a subscriber can do nothing else. */
  readonly subscriber: RedisClient;
  readonly keys: Keys;
  readonly metrics: Pick<Metrics, 'roomWaiters'>;
  /** Tests set it lower. */
  readonly waitersMax?: number | undefined;
}

interface Waiter {
  readonly done: (reading: RoomReading) => boolean;
  readonly resolve: () => void;
}

/** All long polls of this process in one room. */
interface Hall {
  readonly sale: SaleRef;
  readonly waiters: Set<Waiter>;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Long polls of waiting rooms: they are answered when their shopper's status changes. Each room is
 * read once a second, and when its gate moves, for all who wait.
 */
export class RoomWaiters {
  readonly #deps: RoomWaitersDeps;
  readonly #halls = new Map<string, Hall>();
  #waiting = 0;
  #closed = false;

  constructor(deps: RoomWaitersDeps) {
    this.#deps = deps;
    deps.subscriber.on('message', (channel: string) => {
      const hall = this.#halls.get(channel);
      if (hall !== undefined) void this.#look(channel, hall);
    });
  }

  /**
   * Resolves when `done` holds for a reading, when the time is over, or when the client has gone.
   */
  async until(
    sale: SaleRef,
    { waitMs, gone, done }: { readonly waitMs: number; readonly gone: AbortSignal; readonly done: Waiter['done'] },
  ): Promise<void> {
    const { waitersMax = WAITERS_MAX, metrics } = this.#deps;
    if (this.#closed || gone.aborted || this.#waiting >= waitersMax) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter: Waiter = { done, resolve };
    const leaveNow = () => resolve();
    const timer = setTimeout(leaveNow, waitMs);
    gone.addEventListener('abort', leaveNow);
    metrics.roomWaiters.set((this.#waiting += 1));
    const leave = this.#join(sale, waiter);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      gone.removeEventListener('abort', leaveNow);
      metrics.roomWaiters.set((this.#waiting -= 1));
      leave();
    }
  }

  /** Answers every long poll now. */
  close(): void {
    this.#closed = true;
    for (const { waiters } of this.#halls.values()) for (const { resolve } of waiters) resolve();
  }

  #join(sale: SaleRef, waiter: Waiter): () => void {
    const { subscriber, keys } = this.#deps;
    const channel = keys.sale(sale).roomChanged;
    let hall = this.#halls.get(channel);
    if (hall === undefined) {
      hall = { sale, waiters: new Set(), timer: undefined };
      this.#halls.set(channel, hall);
      // Without the subscription, the room is still read once a second.
      subscriber.subscribe(channel).catch(() => undefined);
      this.#lookLater(channel, hall);
    }
    const { waiters } = hall;
    waiters.add(waiter);
    return () => {
      waiters.delete(waiter);
      if (waiters.size > 0 || this.#halls.get(channel) !== hall) return;
      this.#halls.delete(channel);
      clearTimeout(hall.timer);
      subscriber.unsubscribe(channel).catch(() => undefined);
    };
  }

  #lookLater(channel: string, hall: Hall): void {
    clearTimeout(hall.timer);
    hall.timer = setTimeout(() => void this.#look(channel, hall), READING_MS);
  }

  async #look(channel: string, hall: Hall): Promise<void> {
    // While Redis does not answer, the long polls go on.
    const reading = await this.#deps.rooms.fresh(hall.sale).catch(() => undefined);
    if (this.#halls.get(channel) !== hall) return;
    this.#lookLater(channel, hall);
    if (reading === undefined) return;
    for (const { done, resolve } of hall.waiters) if (done(reading)) resolve();
  }
}
