import type { Call } from '../history.ts';

/** A sale of a round, as it was opened. */
export interface SaleFacts {
  readonly id: number;
  readonly units: number;
  readonly units_per_shopper: number;
  readonly price_cents: number;
  readonly start_ms: number;
  readonly end_ms: number;
  /** Only called shoppers can buy. */
  readonly has_room?: boolean;
  /** There were more valid buyers than units, so no unit may be left. */
  readonly sellsOut: boolean;
}

/** One atomic read of a sale in Redis. */
export interface RedisSample {
  readonly at_ms: number;
  readonly sale: number;
  /** Ready in the history of Redis that answered. */
  readonly ready: boolean;
  readonly history_id: string;
  readonly available: number;
  /** Units that shoppers hold. */
  readonly held: number;
  /** Batches that wait for the ledger. */
  readonly batches: number;
}

/** The state of a sale in MySQL, read in one statement. */
export interface LedgerSample {
  readonly at_ms: number;
  readonly sale: number;
  /** Units of live orders. */
  readonly live: number;
  readonly sold: number;
  readonly fence: number;
}

export interface LedgerOrder {
  readonly order_no: string;
  readonly user_id: string;
  readonly status: string;
  readonly price_cents: number;
  readonly quantity: number;
  readonly created_at_ms: number;
}

export interface StockReturn {
  readonly order_no: string;
  readonly created_ms: number;
  /** Null if the ledger has not recorded that the unit was given back. */
  readonly applied_ms: number | null;
}

/** A row of an order's history, in the order of writing. */
export interface LedgerMove {
  readonly order_no: string;
  readonly from: string;
  readonly to: string;
  readonly at_ms: number;
}

export interface LedgerPayment {
  readonly payment_id: string;
  readonly order_no: string;
  readonly status: string;
  readonly amount_cents: number;
}

/** A change of a payment's observed status. */
export interface PaymentSighting {
  readonly at_ms: number;
  readonly sale: number;
  readonly payment_id: string;
  readonly status: string;
}

/** The rows of a sale in MySQL. */
export interface LedgerReading {
  readonly orders: readonly LedgerOrder[];
  readonly returns: readonly StockReturn[];
  readonly moves: readonly LedgerMove[];
  readonly payments: readonly LedgerPayment[];
  readonly sold: number;
}

/**
 * The complete state of a sale in Redis and MySQL after the round, when nothing changes any more.
 */
export interface FinalReading extends LedgerReading {
  readonly sale: number;
  /** A later call must not see anything older. */
  readonly began_ms: number;
  readonly ready: boolean;
  readonly available: number;
  /** User → the owner entry: the order number, with `:quantity` behind it unless that is 1. */
  readonly owners: ReadonlyMap<string, string>;
  /** The order numbers of the reservations. */
  readonly reservations: ReadonlySet<string>;
}

/** A fault that occurred. */
export interface Strike {
  readonly fault: string;
  readonly struck_ms: number;
  readonly healed_ms: number;
  /**
   * Milliseconds from the heal until buys were answered and the waiting orders had moved; null if
   * that did not happen in time.
   */
  readonly recovery_ms: number | null;
  /** What stood still during the fault although other processes could have continued. */
  readonly standstills: readonly string[];
  readonly buys_in_flight: number;
  readonly units_left: number;
  /** Redis lost its own data: promises 5 and 6 are counted separately. */
  readonly losesRedisData: boolean;
}

/** Everything that the checker sees of a round. */
export interface RoundRecord {
  readonly sales: readonly SaleFacts[];
  readonly calls: readonly Call[];
  readonly samples: readonly RedisSample[];
  readonly ledgerSamples: readonly LedgerSample[];
  readonly paymentSightings: readonly PaymentSighting[];
  readonly finals: readonly FinalReading[];
  readonly strikes: readonly Strike[];
  /** Shoppers whose orders MySQL rejected during the fault. */
  readonly refusedShoppers: ReadonlySet<string>;
  /** Processes that ended unexpectedly. */
  readonly crashes: readonly string[];
  /**
   * Whether in time every order was written and paid or closed, and every returned unit was sold
   * again.
   */
  readonly drained: boolean;
}

/** A broken promise of section 1 of the design, of the HTTP contract, or about money. */
export interface Violation {
  readonly promise: number | 'contract' | 'money' | 'waiting room';
  readonly evidence: string;
}
