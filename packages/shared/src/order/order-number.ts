import { randomFillSync } from 'node:crypto';
import type { SaleRef } from '../sale/sale.ts';

/** Crockford's base 32: no I, L, O or U, and its order is ASCII order. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const TIME_CHARS = 10;
const ULID_RANDOM_CHARS = 16;
const BATCH_RANDOM_CHARS = 10;
const OWN_CHARS = 12;
const BATCH_NO_LENGTH = TIME_CHARS + BATCH_RANDOM_CHARS;

/**
 * The number of the batch, the order's own part, the shard and the sale, such as
 * `01KARYB6S5Q0H9M3T7ZV5W8XCE4K7N9B-0-17`. Numbers of earlier versions are six characters shorter.
 */
export const ORDER_NO_PATTERN =
  '^[0-7][0-9A-HJKMNP-TV-Z]{25}(?:[0-9A-HJKMNP-TV-Z]{6})?-(?:0|[1-9][0-9]{0,3})-[1-9][0-9]{0,14}$';
export const ORDER_NO_LENGTH_MAX = BATCH_NO_LENGTH + OWN_CHARS + 1 + 4 + 1 + 15;

const RANDOM_POOL = Buffer.allocUnsafe(8_192);
let poolOffset = RANDOM_POOL.length;

/**
 * The number of a new batch: 48 bits of time and 50 random bits. Numbers sort by time as plain
 * text.
 *
 * @param nowMs milliseconds since the epoch, below 2^48
 */
export function newBatchNo(nowMs: number): string {
  return timeChars(nowMs) + randomChars(BATCH_RANDOM_CHARS);
}

/**
 * A new order number: the number of its batch, 60 random bits, the shard and the sale. So a poll
 * finds the order without another lookup, and somebody who knows an order cannot guess another one
 * of its batch.
 */
export function newOrderNumber(sale: SaleRef, batchNo: string): string {
  return `${batchNo}${randomChars(OWN_CHARS)}-${sale.shard}-${sale.id}`;
}

/** The batch of an order. */
export function batchNoOf(orderNo: string): string {
  return orderNo.slice(0, BATCH_NO_LENGTH);
}

/** A ULID: 48 bits of time and 80 random ones, as 26 characters (https://github.com/ulid/spec). */
export function newUlid(nowMs: number): string {
  return timeChars(nowMs) + randomChars(ULID_RANDOM_CHARS);
}

function timeChars(nowMs: number): string {
  let time = '';
  let rest = Math.floor(nowMs);
  for (let i = 0; i < TIME_CHARS; i += 1) {
    time = ALPHABET[rest % 32]! + time;
    rest = Math.floor(rest / 32);
  }
  return time;
}

/**
 * Random base-32 characters. Random bytes come from a pool: a call to OpenSSL per order would cost
 * more than the rest of the order.
 */
function randomChars(count: number): string {
  if (poolOffset + count > RANDOM_POOL.length) {
    randomFillSync(RANDOM_POOL);
    poolOffset = 0;
  }
  let chars = '';
  for (const end = poolOffset + count; poolOffset < end; poolOffset += 1) {
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
