import { hash, type BinaryToTextEncoding } from 'node:crypto';

const BLOCK_BYTES = 64;
const HASH_BYTES = 32;
/** Longer texts take a copy. */
const TEXT_BYTES_MAX = 1_024;
/** A character of UTF-16 is at most so many bytes of UTF-8. */
const CHARACTER_BYTES_MAX = 3;

/**
 * HMAC-SHA-256 (RFC 2104) with one key, for the path of every request: two one-shot hashes. For
 * each MAC, `createHmac` makes a stream and a native object, which takes twice as long.
 */
export class HmacSha256 {
  /** The key's inner block, then the text. */
  readonly #inner = Buffer.alloc(BLOCK_BYTES + TEXT_BYTES_MAX);
  /** The key's outer block, then the inner hash. */
  readonly #outer = Buffer.alloc(BLOCK_BYTES + HASH_BYTES);

  constructor(key: Buffer) {
    const block = Buffer.alloc(BLOCK_BYTES);
    (key.length > BLOCK_BYTES ? hash('sha256', key, 'buffer') : key).copy(block);
    for (const [i, byte] of block.entries()) {
      this.#inner[i] = byte ^ 0x36;
      this.#outer[i] = byte ^ 0x5c;
    }
  }

  /** The MAC of a text in UTF-8. */
  of(text: string, encoding: BinaryToTextEncoding): string {
    this.#outer.write(hash('sha256', this.#innerInput(text), 'binary'), BLOCK_BYTES, 'binary');
    return hash('sha256', this.#outer, encoding);
  }

  #innerInput(text: string): Buffer {
    if (text.length * CHARACTER_BYTES_MAX > TEXT_BYTES_MAX) {
      return Buffer.concat([this.#inner.subarray(0, BLOCK_BYTES), Buffer.from(text)]);
    }
    return this.#inner.subarray(0, BLOCK_BYTES + this.#inner.write(text, BLOCK_BYTES));
  }
}
