/** What never changes about a sale but through a new product version. Times are milliseconds since the epoch, UTC. */
export interface Sale {
  readonly id: number;
  readonly shard: number;
  readonly name: string;
  readonly price_cents: number;
  /** The shop's ordinary stock, untouched by the sale. */
  readonly stock: number;
  readonly seckill_stock: number;
  readonly start_ms: number;
  readonly end_ms: number;
  /** Goes up with every change of the facts above; Redis is rebuilt when its copy differs. */
  readonly version: number;
  readonly paused: boolean;
  /** Goes up with every pause and resume; the higher one wins in Redis. */
  readonly pause_version: number;
  /** Its keys are deleted from Redis for good; the ledger alone answers. */
  readonly cleaned: boolean;
}

/** Enough of a sale to name its keys. */
export type SaleRef = Pick<Sale, 'id' | 'shard'>;

export const SALE_STATUSES = ['not_ready', 'scheduled', 'open', 'paused', 'sold_out', 'ended'] as const;
export type SaleStatus = (typeof SALE_STATUSES)[number];

/** What Redis says of a sale at one instant. */
export interface LiveSale {
  /** Loaded in the history of Redis that answered. */
  readonly ready: boolean;
  readonly version: number;
  readonly available: number;
  /** Units held. */
  readonly owners: number;
  /** Reservations: orders that the ledger does not have yet. */
  readonly backlog: number;
  /** Of the pause that Redis knows; -1 where it knows none. */
  readonly pause_version: number;
  readonly paused: boolean;
  /** Redis `TIME`, the one clock that sales open and close by. */
  readonly now_ms: number;
}

/** A sale is kept in Redis for a day after its end; from then on the ledger alone answers. */
export const KEPT_AFTER_END_MS = 24 * 3_600_000;

/** The status a shopper sees: what a buy would be refused for, but that an end is told even while the sale is not ready. */
export function saleStatus(sale: Pick<Sale, 'start_ms' | 'end_ms'>, live: LiveSale): SaleStatus {
  if (live.now_ms >= sale.end_ms) return 'ended';
  if (!live.ready) return 'not_ready';
  if (live.now_ms < sale.start_ms) return 'scheduled';
  if (live.paused) return 'paused';
  return live.available > 0 ? 'open' : 'sold_out';
}
