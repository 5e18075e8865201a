/**
 * The line of a waiting room. A place is a whole number: the smaller comes first, and a place is
 * called once the gate is above it.
 *
 * The early places, of those who joined before the start, are numbered by the fraction that
 * HMAC-SHA-256 gives a shopper under the sale's seed. The fraction is cut into slots, as a floating
 * point number is: 16 blocks for the powers of two, each of 65,536 slots. So the front of the line,
 * which is called first, has the finest slots, and a bitmap with a bit for each slot counts any
 * number of shoppers in 128 kB. The late places follow in the order of arrival.
 */
const BLOCK_BITS = 16;
export const BLOCK_SLOTS = 2 ** BLOCK_BITS;
export const EARLY_BLOCKS = 16;
export const EARLY_SLOTS = EARLY_BLOCKS * BLOCK_SLOTS;

/** The parts of one shopper in a place: a late shopper can count as a little more than one. */
export const PARTS = 1_000;
/** All early places are below it, all late ones are not. */
export const EARLY_END = EARLY_SLOTS * PARTS;

/** Fractions of 64 bits. */
const FRACTION_BYTES = 8;

/** The slot of a fraction, given by the first bytes of a MAC. */
export function slotOf(mac: Uint8Array): number {
  const high = firstBits(mac);
  const block = Math.max(0, EARLY_BLOCKS - 1 - Math.clz32(high));
  return block * BLOCK_SLOTS + ((high >>> Math.max(1, block)) & (BLOCK_SLOTS - 1));
}

/** The fraction itself, from 0 to 1, for shoppers. */
export function fractionOf(mac: Uint8Array): number {
  let fraction = 0;
  for (let i = FRACTION_BYTES - 1; i >= 0; i -= 1) fraction = (fraction + mac[i]!) / 256;
  return fraction;
}

export const earlyPlace = (slot: number): number => slot * PARTS;

/** @param late how many parts of late shoppers are ahead */
export const latePlace = (late: number): number => EARLY_END + late;

function firstBits(mac: Uint8Array): number {
  return ((mac[0]! << 24) | (mac[1]! << 16) | (mac[2]! << 8) | mac[3]!) >>> 0;
}
