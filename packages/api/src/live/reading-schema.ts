import type { SaleStatus } from '@flash-sale/shared/sale/sale.ts';

/**
 * The figures of one sale. Totals only rise; their difference to an earlier reading gives a rate.
 * Null means that the server with the figure does not answer.
 */
export interface SaleReading {
  readonly id: number;
  readonly name: string;
  readonly status: SaleStatus;
  readonly start_time: string;
  readonly end_time: string;
  readonly units: number;
  readonly available: number | null;
  readonly owners: number | null;
  /** `available + owners - units` at one instant. Anything but 0 breaks the promise of conservation. */
  readonly gap: number | null;
  /** Orders that are accepted and not yet in the ledger. */
  readonly backlog: number | null;
  readonly oldest_ms: number | null;
  readonly accepted: number | null;
  readonly replayed: number | null;
  /** Refused buys by code. */
  readonly refused: Readonly<Record<string, number>> | null;
  readonly written: number | null;
  readonly failed: number | null;
  readonly paid: number | null;
  readonly cancelled: number | null;
  readonly expired: number | null;
  readonly refunded: number | null;
}

export interface ShardReading {
  readonly shard: number;
  /** Sales that are live but not in the stream, since there are too many. */
  readonly hidden_sales: number;
  readonly oldest_ms: number | null;
  readonly jobs: Readonly<Record<string, number>> | null;
}

export interface ProcessReading {
  readonly name: string;
  readonly kind: 'api' | 'worker';
  readonly host: string;
  readonly pid: number;
  readonly started_at: string;
  readonly cpu: number;
  readonly busy: number;
  readonly memory_bytes: number;
}

/** All figures at one time. */
export interface Reading {
  readonly time: string;
  readonly redis: boolean;
  readonly mysql: boolean;
  readonly sales: ReadonlyMap<number, SaleReading>;
  readonly shards: readonly ShardReading[];
  readonly processes: readonly ProcessReading[] | null;
}

/** A reading as a stream sends it: of the sales, only what has changed since the one before. */
export interface ReadingChange extends Omit<Reading, 'sales'> {
  readonly sales: readonly (Partial<SaleReading> & Pick<SaleReading, 'id'>)[];
  /** Sales that are not live any more. */
  readonly gone: readonly number[];
}
