import { BLOCK_SLOTS, EARLY_BLOCKS, EARLY_SLOTS } from './place.ts';

const CHUNK_BYTES = 32;
const CHUNK_SLOTS = CHUNK_BYTES * 8;
const BITS_SET = Uint8Array.from({ length: 256 }, (_, byte) => {
  let bits = 0;
  for (let rest = byte; rest > 0; rest >>= 1) bits += rest & 1;
  return bits;
});

/**
 * Those who joined before the start, counted from the bitmap of their slots. To join twice sets the
 * same bit, so it counts once. Two shoppers in one slot are seen as one; within a block slots are
 * hit evenly, so each bit stands for the expected number of shoppers in a slot that is hit. The
 * error for the first 100 shoppers is 0.1 of one, for the first 10,000 less than 0.5 %.
 */
export class EarlyLine {
  readonly #bitmap: Uint8Array;
  /** Shoppers that a bit stands for, by block. */
  readonly #weights: readonly number[];
  /** Shoppers before each chunk of slots. */
  readonly #before: Float64Array;

  /** @param bitmap a bit for each slot; the first slot is the highest bit of the first byte */
  constructor(bitmap: Uint8Array) {
    this.#bitmap = new Uint8Array(EARLY_SLOTS / 8);
    this.#bitmap.set(bitmap.subarray(0, EARLY_SLOTS / 8));
    const chunks = Array.from({ length: EARLY_SLOTS / CHUNK_SLOTS }, (_, chunk) => this.#bitsOfChunk(chunk));
    const chunksOfBlock = BLOCK_SLOTS / CHUNK_SLOTS;
    this.#weights = Array.from({ length: EARLY_BLOCKS }, (_, block) => {
      const bits = chunks.slice(block * chunksOfBlock, (block + 1) * chunksOfBlock).reduce((sum, one) => sum + one, 0);
      return weightOf(bits);
    });
    this.#before = new Float64Array(chunks.length + 1);
    for (const [chunk, bits] of chunks.entries()) {
      this.#before[chunk + 1] = this.#before[chunk]! + bits * this.#weightAt(chunk * CHUNK_SLOTS);
    }
  }

  /** The number of shoppers. */
  get size(): number {
    return this.#before.at(-1)!;
  }

  /** The number of shoppers in the slots before `slot`. */
  before(slot: number): number {
    if (slot >= EARLY_SLOTS) return this.size;
    const chunk = Math.floor(slot / CHUNK_SLOTS);
    let bits = 0;
    for (let byte = chunk * CHUNK_BYTES; byte < slot >> 3; byte += 1) bits += BITS_SET[this.#bitmap[byte]!]!;
    bits += BITS_SET[this.#bitmap[slot >> 3]! >> (8 - (slot & 7))]!;
    return this.#before[chunk]! + bits * this.#weightAt(slot);
  }

  /**
   * How far the gate can move from `slot` if it calls at most so many people, to the nearest whole
   * number. The people of a slot are called together: the first slot may have up to `firstMax`.
   */
  advance(slot: number, people: number, firstMax: number): { readonly slot: number; readonly people: number } {
    let called = 0;
    let to = slot;
    while (to < EARLY_SLOTS) {
      if ((to & 7) === 0 && this.#bitmap[to >> 3] === 0) {
        to += 8;
        continue;
      }
      if (((this.#bitmap[to >> 3]! >> (7 - (to & 7))) & 1) === 1) {
        const next = called + this.#weightAt(to);
        if (next >= (called === 0 ? Math.max(people, firstMax) : people) + 0.5) break;
        called = next;
      }
      to += 1;
    }
    return { slot: to, people: called };
  }

  #weightAt(slot: number): number {
    return this.#weights[Math.floor(slot / BLOCK_SLOTS)]!;
  }

  #bitsOfChunk(chunk: number): number {
    let bits = 0;
    const from = chunk * CHUNK_BYTES;
    for (let byte = from; byte < from + CHUNK_BYTES; byte += 1) bits += BITS_SET[this.#bitmap[byte]!]!;
    return bits;
  }
}

/** The expected number of shoppers in a slot that has any, if `bits` slots of a block have some. */
function weightOf(bits: number): number {
  if (bits === 0) return 1;
  const share = Math.min(bits, BLOCK_SLOTS - 1) / BLOCK_SLOTS;
  return -Math.log1p(-share) / share;
}

/** The highest number of people that a slot counts as. */
export const SLOT_PEOPLE_MAX = weightOf(BLOCK_SLOTS);
