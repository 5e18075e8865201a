import type { Client } from './client.ts';
import type { Random } from './random.ts';
import { mannersOf, plainManners, Shopper, type Manners } from './shopper.ts';

const TICK_MS = 20;
/** While nothing is answered, shoppers pile up to this number and no more come. */
const PRESENT_MAX = 400;

/** MySQL can be told to refuse the orders of shoppers whose ids begin like this. */
export const REFUSED_PREFIX = 'refused-';

/** The shoppers of one sale: they come at a pace, or all at once. */
export class Crowd {
  readonly #client: Client;
  readonly #sale: number;
  readonly #random: Random;
  readonly #closing = new AbortController();
  readonly #present = new Set<Promise<void>>();
  readonly #lastToken = {};
  #came: number;
  #perSecond = 0;
  #due = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `came`: how many came before it, whose names are taken. */
  constructor(client: Client, sale: number, random: Random, came = 0) {
    this.#came = came;
    this.#client = client;
    this.#sale = sale;
    this.#random = random;
  }

  /** How many have come, with those of the crowd before. */
  get came(): number {
    return this.#came;
  }

  /** Shoppers come at this pace from now on; 0 stops them. */
  pace(perSecond: number): void {
    this.#perSecond = perSecond;
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
    if (perSecond > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** So many come at once, each as the seed has them, or all of them plain buyers. */
  surge(count: number, manners?: Manners): Promise<unknown> {
    return Promise.all(Array.from({ length: count }, () => this.#come(manners)));
  }

  /**
   * Buyers, `at_once` at a time. Unless they pay they do not wait for their orders either: orders that are stuck must not
   * hold up those who come later.
   */
  async march(count: number, at_once: number, paying = false): Promise<void> {
    let left = count;
    const next = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        await this.#come({ ...plainManners, polls: paying });
      }
    };
    await Promise.all(Array.from({ length: at_once }, next));
  }

  /** Nobody comes any more; those who are here leave after the call that they are in. */
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
    const shopper = new Shopper(nameOf(index), this.#sale, manners ?? mannersOf(random), {
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
 * Names that a careless key or collation would mix up: every twentieth shopper has a twin that differs only by case; some end in a
 * space or carry an accent, and have to be refused or told apart; some are the ones that MySQL can be told to refuse.
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
