import { randomFillSync } from 'node:crypto';
import type { SaleRef } from '../sale/sale.ts';

/** Crockford's base 32: no I, L, O or U, and its order is ASCII order. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const TIME_CHARS = 10;
const RANDOM_CHARS = 16;

/** `ULID-shard-sale`, such as `01KARYB6S5Q0H9M3T7ZV5W8XCE-0-17`. */
export const ORDER_NO_PATTERN = '^[0-7][0-9A-HJKMNP-TV-Z]{25}-(0|[1-9][0-9]{0,3})-[1-9][0-9]{0,14}$';
export const ORDER_NO_LENGTH_MAX = 26 + 1 + 4 + 1 + 15;

const RANDOM_POOL = Buffer.allocUnsafe(RANDOM_CHARS * 512);
let poolOffset = RANDOM_POOL.length;

/**
 * A new order number: a ULID (48 bits of time, 80 random bits; https://github.com/ulid/spec), then
 * the shard and the sale, so that a poll finds the order without another lookup. Numbers sort by
 * time as plain text.
 *
 * @param nowMs milliseconds since the epoch, below 2^48
 */
export function newOrderNumber(sale: SaleRef, nowMs: number): string {
  return `${newUlid(nowMs)}-${sale.shard}-${sale.id}`;
}

/** 48 bits of time and 80 random ones, as 26 characters. */
export function newUlid(nowMs: number): string {
  let time = '';
  let rest = Math.floor(nowMs);
  for (let i = 0; i < TIME_CHARS; i += 1) {
    time = ALPHABET[rest % 32]! + time;
    rest = Math.floor(rest / 32);
  }
  return time + randomChars();
}

/**
 * 16 random base-32 characters. Random bytes come from a pool: a call to OpenSSL per order would
 * cost more than the rest of the order.
 */
function randomChars(): string {
  if (poolOffset === RANDOM_POOL.length) {
    randomFillSync(RANDOM_POOL);
    poolOffset = 0;
  }
  let chars = '';
  for (const end = poolOffset + RANDOM_CHARS; poolOffset < end; poolOffset += 1) {
    chars += ALPHABET[RANDOM_POOL[poolOffset]! & 31]!;
  }
  return chars;
}

/** The sale that an order number names, or undefined if the text is not an order number. */
export function saleOfOrderNumber(orderNo: string): SaleRef | undefined {
  if (orderNo.length > ORDER_NO_LENGTH_MAX || !ORDER_NO.test(orderNo)) return undefined;
  const [, shard, id] = orderNo.split('-');
  return { shard: Number(shard), id: Number(id) };
}

const ORDER_NO = new RegExp(ORDER_NO_PATTERN);
