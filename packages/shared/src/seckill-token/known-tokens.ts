/** What a seckill token is bound to. */
export interface SeckillClaim {
  readonly userId: string;
  readonly saleId: number;
}

const LIMITS = {
  /** A `Map` of this size grows without a pause of more than a few milliseconds. */
  generationTokens: 65_536,
  /** Limits the memory for long shopper ids: 128 characters for each token and its shopper. */
  generationCharacters: 65_536 * 128,
  generations: 8,
};

/**
 * Seckill tokens that this process issued or verified, with what they are bound to. Holds the last
 * 458,752 to 524,288 of them in at most 120 MB: about 110 bytes for each, and the characters. They
 * are kept in generations, and the oldest one is dropped as a whole: a lookup is cheaper than in a
 * cache that orders its entries by their last use.
 */
export class KnownTokens {
  readonly #limits: typeof LIMITS;
  /** The newest first. */
  #generations: Map<string, SeckillClaim>[] = [new Map()];
  /** Of the newest generation. */
  #characters = 0;

  /** @param limits tests set them lower */
  constructor(limits = LIMITS) {
    this.#limits = limits;
  }

  add(token: string, claim: SeckillClaim): void {
    const { generationTokens, generationCharacters, generations } = this.#limits;
    const [newest] = this.#generations;
    newest!.set(token, claim);
    this.#characters += token.length + claim.userId.length;
    if (newest!.size < generationTokens && this.#characters < generationCharacters) return;
    this.#generations = [new Map(), ...this.#generations.slice(0, generations - 1)];
    this.#characters = 0;
  }

  get(token: string): SeckillClaim | undefined {
    for (const generation of this.#generations) {
      const claim = generation.get(token);
      if (claim !== undefined) return claim;
    }
    return undefined;
  }

  clear(): void {
    this.#generations = [new Map()];
    this.#characters = 0;
  }
}
