import { EARLY_SLOTS } from '../src/waiting-room/place.ts';

/** The bitmap of early places with these slots. */
export function bitmapOf(slots: readonly number[]): Buffer {
  const bitmap = Buffer.alloc(EARLY_SLOTS / 8);
  for (const slot of slots) bitmap[slot >> 3]! |= 128 >> (slot & 7);
  return bitmap;
}
