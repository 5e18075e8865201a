import type { Call } from '../history.ts';

/** A sale of a round, as it was opened. */
export interface SaleFacts {
  readonly id: number;
  readonly units: number;
  readonly price_cents: number;
  readonly start_ms: number;
  readonly end_ms: number;
  /** More valid buyers came than there were units: nothing may be left. */
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
  readonly owners: number;
  readonly reservations: number;
}

/** One statement's view of a sale in MySQL. */
export interface LedgerSample {
  readonly at_ms: number;
  readonly sale: number;
  readonly live: number;
  readonly sold: number;
  readonly fence: number;
}

export interface LedgerOrder {
  readonly order_no: string;
  readonly user_id: string;
  readonly status: string;
  readonly price_cents: number;
  readonly created_at_ms: number;
}

export interface StockReturn {
  readonly order_no: string;
  readonly created_ms: number;
  /** Null where the unit has not gone back yet, as far as the ledger knows. */
  readonly applied_ms: number | null;
}

/** A line of an order's history, in the order in which they were written. */
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

/** A payment was seen in another status than before. */
export interface PaymentSighting {
  readonly at_ms: number;
  readonly sale: number;
  readonly payment_id: string;
  readonly status: string;
}

/** What MySQL holds of a sale. */
export interface LedgerReading {
  readonly orders: readonly LedgerOrder[];
  readonly returns: readonly StockReturn[];
  readonly moves: readonly LedgerMove[];
  readonly payments: readonly LedgerPayment[];
  readonly sold: number;
}

/** Everything that Redis and MySQL hold of a sale after the round, when nothing moves any more. */
export interface FinalReading extends LedgerReading {
  readonly sale: number;
  /** Whoever asks later is told nothing older. */
  readonly began_ms: number;
  readonly ready: boolean;
  readonly available: number;
  /** User → order number. */
  readonly owners: ReadonlyMap<string, string>;
  /** Order numbers of the reservations. */
  readonly reservations: ReadonlySet<string>;
}

/** A fault that struck. */
export interface Strike {
  readonly fault: string;
  readonly struck_ms: number;
  readonly healed_ms: number;
  /** Milliseconds from the heal until buys were answered and what waited had moved on; null where that did not happen in time. */
  readonly recovery_ms: number | null;
  /** What stood still while the fault lasted, although other processes could have gone on. */
  readonly standstills: readonly string[];
  readonly buys_in_flight: number;
  readonly units_left: number;
  /** Redis lost data of its own: promises 5 and 6 are counted apart. */
  readonly losesRedisData: boolean;
}

/** All that the checker sees of a round. */
export interface RoundRecord {
  readonly sales: readonly SaleFacts[];
  readonly calls: readonly Call[];
  readonly samples: readonly RedisSample[];
  readonly ledgerSamples: readonly LedgerSample[];
  readonly paymentSightings: readonly PaymentSighting[];
  readonly finals: readonly FinalReading[];
  readonly strikes: readonly Strike[];
  /** Shoppers whose orders MySQL was made to refuse while the fault lasted. */
  readonly refusedShoppers: ReadonlySet<string>;
  /** Processes that ended although nobody wanted it to. */
  readonly crashes: readonly string[];
  /** Whether every order was written, and paid or closed, and every unit back and sold again, in time. */
  readonly drained: boolean;
}

/** A broken promise of section 1 of the design, of the HTTP contract, or of what becomes of money. */
export interface Violation {
  readonly promise: number | 'contract' | 'money';
  readonly evidence: string;
}
