import { pause } from '../client/pause.ts';
import type { ServerClock } from '../client/server-clock.ts';
import type { SaleWatch } from './sale-watch.ts';

/**
 * The clock is read again after this time. The timers of a device stand still while it sleeps, so a
 * longer one would end late by as much as it was long.
 */
const WAIT_STEP_MS = 1_000;
/** How often a purchase reads its sale while it waits for the opening. */
const READ_EVERY_MS = 30_000;

/** Shoppers who wait for the opening of a waiting room join within this time. */
const ROOM_SPREAD_MS = 2_000;

/** The waits of a purchase. */
export class Waits {
  readonly #watch: SaleWatch;
  readonly #clock: ServerClock;
  #resting: (() => void) | undefined;

  constructor(watch: SaleWatch, clock: ServerClock) {
    this.#watch = watch;
    this.#clock = clock;
    addEventListener('online', this.#wake);
  }

  dispose(): void {
    removeEventListener('online', this.#wake);
  }

  /** Waits; ends early when the network is back. */
  async rest(ms: number, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#resting = resolve;
      pause(ms, signal).then(resolve, reject);
    });
  }

  /** Waits until that time by the clock of the service. */
  async untilTime(timeMs: number, signal: AbortSignal): Promise<void> {
    for (let leftMs = timeMs - this.#clock.now(); leftMs > 0; leftMs = timeMs - this.#clock.now()) {
      await pause(Math.min(leftMs, WAIT_STEP_MS), signal);
    }
  }

  /** Waits until the sale starts; an operator may move the start meanwhile. */
  async untilStart(signal: AbortSignal): Promise<void> {
    for (let startMs = await this.startMs(signal); startMs > this.#clock.now(); startMs = await this.startMs(signal)) {
      await this.rest(Math.min(startMs - this.#clock.now(), WAIT_STEP_MS), signal);
    }
  }

  /** Waits until shoppers may join the waiting room; an operator may move that meanwhile. */
  async untilRoomOpens(signal: AbortSignal): Promise<void> {
    const leftMs = (): number =>
      Date.parse(this.#watch.reading.get().sale?.waiting_room?.opens_at ?? '') - this.#clock.now();
    let readMs = this.#clock.now();
    for (let left = leftMs(); left > 0; left = leftMs()) {
      await this.rest(Math.min(left, WAIT_STEP_MS), signal);
      if (leftMs() > 0 && this.#clock.now() - readMs < READ_EVERY_MS) continue;
      await this.#watch.refresh();
      readMs = this.#clock.now();
    }
    // Not all in the same second: the places do not depend on it.
    await this.rest(Math.random() * ROOM_SPREAD_MS, signal);
  }

  /** Reads the sale until it is as wanted. */
  async untilSale(isWanted: (sale: { readonly status: string }) => boolean, signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.rest(1_500 + Math.random() * 1_500, signal);
      const { sale, problem } = await this.#watch.refresh();
      if (sale !== undefined && problem === undefined && isWanted(sale)) return;
    }
  }

  /** The start of the sale; waits until the sale can be read. */
  async startMs(signal: AbortSignal): Promise<number> {
    for (;;) {
      const { sale, problem } =
        this.#watch.reading.get().sale === undefined ? await this.#watch.refresh() : this.#watch.reading.get();
      if (sale !== undefined) return Date.parse(sale.start_time);
      if (problem === 'unknown_sale') throw new Error('There is no such sale');
      await this.rest(1_000 + Math.random() * 1_000, signal);
    }
  }

  readonly #wake = (): void => this.#resting?.();
}
