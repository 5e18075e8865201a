import type { Memory } from '../ui/memory.ts';

/** What a purchase must remember to go on after a reload. */
export interface PurchaseRecord {
  /** What the shopper waits for: a unit that is free now, or also one that comes back later. */
  readonly wants?: 'unit' | 'returned_unit' | undefined;
  /** How many units; 1 if there is none. */
  readonly quantity?: number | undefined;
  /** Of the waiting room. The first one is the best. */
  readonly ticket?: string | undefined;
  /** What the shop had published of the draw when the shopper joined. */
  readonly commitment?: string | undefined;
  readonly token?: string | undefined;
  readonly tokenUntilMs?: number | undefined;
  /** The accepted order. */
  readonly orderNo?: string | undefined;
  /** Until when the result of a payment is awaited, if the shopper has asked to pay. */
  readonly payingUntilMs?: number | undefined;
}

export interface PurchaseRecords {
  read(): PurchaseRecord;
  /** Changes some fields. */
  change(fields: PurchaseRecord): void;
  clear(): void;
  /** Calls `listener` after another tab has changed it; returns the function that ends this. */
  follow(listener: () => void): () => void;
}

/** The record of one shopper and one sale. */
export function purchaseRecords(memory: Memory, userId: string, productId: number): PurchaseRecords {
  const key = `purchase:${productId}:${userId}`;
  const read = (): PurchaseRecord => {
    const kept = memory.read(key);
    return typeof kept === 'object' && kept !== null ? kept : {};
  };
  return {
    read,
    change: (fields) => memory.write(key, { ...read(), ...fields }),
    clear: () => memory.remove(key),
    follow: (listener) => memory.follow(key, listener),
  };
}
