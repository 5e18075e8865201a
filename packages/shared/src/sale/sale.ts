import { Refusal } from '../platform/errors.ts';
import { priceOfCents, TOTAL_CENTS_MAX } from '../platform/money.ts';

/**
 * A sale: its facts, and its two states `paused` and `cleaned`. A change of the facts raises
 * `version`, a pause or resume raises `pauseVersion`, and the clean-up sets `cleaned`. Times are
 * milliseconds since the epoch, UTC.
 */
export interface Sale {
  readonly id: number;
  readonly shard: number;
  readonly name: string;
  readonly priceCents: number;
  /** The shop's ordinary stock. The sale does not change it. */
  readonly stock: number;
  readonly seckillStock: number;
  /** Maximum number of units of one order. */
  readonly unitsPerShopper: number;
  readonly startMs: number;
  readonly endMs: number;
  /** Raised by every change of the facts above. If the copy in Redis differs, Redis is rebuilt. */
  readonly version: number;
  readonly paused: boolean;
  /** Raised by every pause and resume. Redis keeps the state with the higher version. */
  readonly pauseVersion: number;
  /**
   * Its keys are deleted from Redis and must not be created again. Only the ledger answers for it.
   */
  readonly cleaned: boolean;
  /** Null if shoppers need no place in a line to buy. */
  readonly room: WaitingRoom | null;
}

/** The waiting room of a sale: shoppers join it, and are called in the order of their places. */
export interface WaitingRoom {
  /** From then on shoppers may join. */
  readonly opensAtMs: number;
  /**
   * Maximum number of people called per second; null: no limit of its own. May change at any time.
   */
  readonly admitPerSecond: number | null;
  /** 32 bytes, hex: orders the shoppers who join before the start. Secret until `isDrawn`. */
  readonly seed: string;
  /** 32 bytes, hex: signs tickets. Always secret. */
  readonly ticketKey: string;
  /** The start has passed, and nobody can join as an early shopper any more. */
  readonly isDrawn: boolean;
}

/** No sale may allow more units of one order. */
export const UNITS_PER_SHOPPER_MAX = 100;

/**
 * Checks that the smallest and the largest order that the sale allows can be paid.
 *
 * @throws Refusal `invalid_request`
 */
export function checkPayable(
  { priceCents, unitsPerShopper }: Pick<Sale, 'priceCents' | 'unitsPerShopper'>,
  priceCentsMin: number,
): void {
  if (priceCents < priceCentsMin) {
    const least = priceOfCents(priceCentsMin);
    throw new Refusal('invalid_request', {
      detail: `body/price must be at least ${least}, the minimum of the payment provider`,
    });
  }
  if (priceCents * unitsPerShopper <= TOTAL_CENTS_MAX) return;
  const most = priceOfCents(TOTAL_CENTS_MAX);
  throw new Refusal('invalid_request', { detail: `body/price times units_per_shopper must be at most ${most}` });
}

/**
 * What shoppers are shown of a sale besides its facts; null if there is none. It is not in Redis.
 */
export interface ProductTexts {
  readonly description: string | null;
  /** The address of a picture, with https. */
  readonly imageUrl: string | null;
}

/** A sale with its texts. A change of them raises `version`, too. */
export type SaleWithTexts = Sale & ProductTexts;

/** The part of a sale that names its keys. */
export type SaleRef = Pick<Sale, 'id' | 'shard'>;

export const SALE_STATUSES = ['not_ready', 'scheduled', 'open', 'paused', 'sold_out', 'ended'] as const;
export type SaleStatus = (typeof SALE_STATUSES)[number];

/** What Redis has of a sale at one instant. */
export interface LiveSale {
  /** The sale was loaded in the history of Redis that answered. */
  readonly ready: boolean;
  readonly version: number;
  readonly available: number;
  /** The number of units that shoppers hold. */
  readonly held: number;
  /** The number of reservations: orders that are not in the ledger yet. */
  readonly backlog: number;
  /** The version of the pause in Redis; -1 if there is none. */
  readonly pauseVersion: number;
  readonly paused: boolean;
  /** Redis `TIME`, the only clock that opens and closes sales. */
  readonly nowMs: number;
}

/**
 * A sale is live from this time before its start until this time after its end, and while it has
 * reservations.
 */
const LIVE_AROUND_MS = 600_000;

/** Whether it is about the time of a sale. */
export function isAround({ startMs, endMs }: Pick<Sale, 'startMs' | 'endMs'>, nowMs: number): boolean {
  return nowMs > startMs - LIVE_AROUND_MS && nowMs < endMs + LIVE_AROUND_MS;
}

/** A sale stays in Redis for a day after its end. After that only the ledger answers for it. */
export const KEPT_AFTER_END_MS = 24 * 3_600_000;

/**
 * The status that a shopper sees. It is the reason for which a buy would be refused, except that
 * `ended` is shown even if the sale is not ready.
 */
export function saleStatus(
  sale: Pick<Sale, 'startMs' | 'endMs'>,
  live: Pick<LiveSale, 'ready' | 'available' | 'paused' | 'nowMs'>,
): SaleStatus {
  if (live.nowMs >= sale.endMs) return 'ended';
  if (!live.ready) return 'not_ready';
  if (live.nowMs < sale.startMs) return 'scheduled';
  if (live.paused) return 'paused';
  return live.available > 0 ? 'open' : 'sold_out';
}
