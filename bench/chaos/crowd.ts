import type { Client } from './client.ts';
import type { Random } from './random.ts';
import { mannersOf, plainManners, Shopper, type Manners, type ShopperSale } from './shopper.ts';

const TICK_MS = 20;
/** If no calls are answered, at most this many shoppers are present. */
const PRESENT_MAX = 400;

/** MySQL can be made to reject the orders of shoppers whose ids begin with this. */
export const REFUSED_PREFIX = 'refused-';

/** The shoppers of one sale: they arrive at a rate, or all at once. */
export class Crowd {
  readonly #client: Client;
  readonly #sale: ShopperSale;
  readonly #random: Random;
  readonly #closing = new AbortController();
  readonly #present = new Set<Promise<void>>();
  readonly #lastToken = {};
  #came: number;
  #perSecond = 0;
  #due = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `came`: the number of earlier shoppers, whose names are used. */
  constructor(client: Client, sale: ShopperSale, random: Random, came = 0) {
    this.#came = came;
    this.#client = client;
    this.#sale = sale;
    this.#random = random;
  }

  /** The number of shoppers so far, with those of the previous crowd. */
  get came(): number {
    return this.#came;
  }

  /** Sets the rate at which shoppers arrive; 0 stops them. */
  pace(perSecond: number): void {
    this.#perSecond = perSecond;
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
    if (perSecond > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /**
   * Lets this many shoppers arrive at once, each with the behaviour from the seed, or all with the
   * same `manners`.
   */
  surge(count: number, manners?: Manners): Promise<unknown> {
    return Promise.all(Array.from({ length: count }, () => this.#come(manners)));
  }

  /**
   * Runs buyers for this many units, `atOnce` at a time, who each want as many as they may have.
   * Unless they pay, they do not wait for their orders: stuck orders must not delay later buyers.
   */
  async march(units: number, atOnce: number, paying = false): Promise<void> {
    const quantity = this.#sale.units_per_shopper;
    let left = units;
    const next = async (): Promise<void> => {
      while (left > 0) {
        left -= quantity;
        await this.#come({ ...plainManners, quantity, polls: paying });
      }
    };
    await Promise.all(Array.from({ length: atOnce }, next));
  }

  /** Stops new arrivals. Present shoppers leave after their present call. */
  async close(): Promise<void> {
    this.pace(0);
    this.#closing.abort();
    await Promise.all(this.#present);
  }

  #tick(): void {
    this.#due += (this.#perSecond * TICK_MS) / 1_000;
    while (this.#due >= 1) {
      this.#due -= 1;
      if (this.#present.size < PRESENT_MAX) void this.#come();
    }
  }

  #come(manners?: Manners): Promise<void> {
    const index = (this.#came += 1);
    const random = this.#random.part(index);
    const shopper = new Shopper(nameOf(index), this.#sale, manners ?? mannersOf(random, this.#sale), {
      client: this.#client,
      random,
      closing: this.#closing.signal,
      lastToken: this.#lastToken,
    });
    const visit = shopper.run().finally(() => this.#present.delete(visit));
    this.#present.add(visit);
    return visit;
  }
}

/**
 * Names that a careless key or collation would confuse: every twentieth shopper has a twin whose
 * name differs only in case; some names end in a space or have an accent, and must be refused or
 * distinguished; some are the ones that MySQL can be made to reject.
 */
function nameOf(index: number): string {
  const pair = index - (index % 20);
  if (index % 20 === 0) return `twin-${pair}`;
  if (index % 20 === 1 && pair > 0) return `TWIN-${pair}`;
  if (index % 200 === 2) return `twin-${pair} `;
  if (index % 200 === 3) return `twín-${pair}`;
  if (index % 10 === 7) return `${REFUSED_PREFIX}${index}`;
  return `shopper-${index}`;
}
