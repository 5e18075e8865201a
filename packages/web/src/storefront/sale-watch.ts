import { Refused, type Product, type ShopperClient } from '../client/client.ts';
import { createStore, type Store } from '../ui/store.ts';

/** What is known about a sale. */
export interface SaleReading {
  readonly sale?: Product | undefined;
  /** Why the last reading failed, if it did. */
  readonly problem?: 'unknown_sale' | 'unreachable' | undefined;
}

const HIDDEN_MS = 30_000;

/**
 * Reads a sale again and again while somebody looks at it: more often when something is about to
 * change, and never at the same moment as everybody else.
 */
export class SaleWatch {
  readonly reading: Store<SaleReading> = createStore<SaleReading>({});
  readonly productId: number;
  readonly #client: ShopperClient;
  #lookers = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: ShopperClient, productId: number) {
    this.#client = client;
    this.productId = productId;
  }

  /** Watches until the returned function is called. */
  watch(): () => void {
    this.#lookers += 1;
    if (this.#lookers === 1) {
      document.addEventListener('visibilitychange', this.#look);
      addEventListener('online', this.#look);
      void this.#next();
    }
    return () => {
      this.#lookers -= 1;
      if (this.#lookers > 0) return;
      document.removeEventListener('visibilitychange', this.#look);
      removeEventListener('online', this.#look);
      clearTimeout(this.#timer);
    };
  }

  /** Reads the sale now. Returns what is known, even if this fails. */
  async refresh(): Promise<SaleReading> {
    try {
      this.reading.set({ sale: await this.#client.product(this.productId) });
    } catch (error) {
      const isUnknown = error instanceof Refused && error.code === 'not_found';
      this.reading.set({ ...this.reading.get(), problem: isUnknown ? 'unknown_sale' : 'unreachable' });
    }
    return this.reading.get();
  }

  readonly #look = (): void => {
    if (!document.hidden) void this.#next();
  };

  async #next(): Promise<void> {
    clearTimeout(this.#timer);
    const { sale, problem } = await this.refresh();
    clearTimeout(this.#timer);
    if (this.#lookers === 0 || problem === 'unknown_sale') return;
    const restMs = document.hidden ? HIDDEN_MS : restMsOf(sale, this.#client.clock.now());
    this.#timer = setTimeout(() => void this.#next(), restMs * (1 + Math.random() / 2));
  }
}

/** How long a reading may stay on the screen. */
function restMsOf(sale: Product | undefined, nowMs: number): number {
  if (sale === undefined) return 2_000;
  const leftMs = Date.parse(sale.start_time) - nowMs;
  if (sale.status === 'ended') return 60_000;
  if (leftMs <= 0) return sale.status === 'sold_out' ? 4_000 : 2_500;
  // The last readings before the start also make the service's clock known more exactly.
  if (leftMs < 30_000) return 1_500;
  return leftMs < 300_000 ? 8_000 : 30_000;
}
