import type { Generated, GeneratedAlways } from 'kysely';
import type { OperatorRole } from '../../operator/operator.ts';
import type { OrderStatus } from '../../order/order.ts';
import type { PaymentStatus } from '../../payment/payment.ts';

/**
 * The tables as Kysely sees them. The migrations create them. All times are UTC with milliseconds.
 */
export interface Database {
  products: ProductsTable;
  orders: OrdersTable;
  stock_returns: StockReturnsTable;
  order_history: OrderHistoryTable;
  payments: PaymentsTable;
  payment_events: PaymentEventsTable;
  sale_counters: SaleCountersTable;
  repairs: RepairsTable;
  token_secrets: TokenSecretsTable;
  operator_actions: OperatorActionsTable;
  deny_list: DenyListTable;
  deny_list_version: DenyListVersionTable;
  order_events: OrderEventsTable;
  gates: GatesTable;
}

export interface ProductsTable {
  id: Generated<number>;
  shard: number;
  name: string;
  price_cents: number;
  stock: number;
  seckill_stock: number;
  start_time: Date;
  end_time: Date;
  /** Maximum number of units of one order. */
  units_per_shopper: Generated<number>;
  /** Units of live orders: raised by the writer, lowered by a close. */
  sold: Generated<number>;
  /** The highest stamped fencing token. */
  fence: Generated<number>;
  /** The history of Redis in which the sale was last loaded; null before the first time. */
  history_id: Generated<string | null>;
  version: Generated<number>;
  paused: Generated<number>;
  pause_version: Generated<number>;
  created_at: Date;
  /** When the sale's keys were deleted from Redis. Until then the services work on it. */
  cleaned_at: Date | null;
  /** Shown to shoppers, as text. */
  description: string | null;
  /** The address of a picture, with https. */
  image_url: string | null;
  /** From when on shoppers may join the waiting room; null if the sale has none. */
  room_opens_at: Date | null;
  /** May change at any time, without a new `version`. */
  room_admit_per_second: number | null;
  /** Hex. Secret until `room_drawn_at` is set. */
  room_seed: string | null;
  /** Hex. Always secret. */
  room_ticket_key: string | null;
  /** When the line of those who joined before the start was fixed. */
  room_drawn_at: Generated<Date | null>;
  /** When archiving began: from then on none of its orders moves, and callers do not find it. */
  archiving_at: Date | null;
  /**
   * When its archive was complete and on disk. From then on its rows are deleted, this one last.
   */
  archived_at: Date | null;
}

/** How far the line of a waiting room was called. Redis has a copy. */
export interface GatesTable {
  product_id: number;
  /** Raised with each call. A call is written only under the version before it. */
  version: Generated<number>;
  /** Places below it are called. It only rises. */
  gate: Generated<number>;
  /** The last calls, JSON: `[at_ms, gate, people]` each. */
  calls: Generated<string>;
  /** Until when the calls so far have used the rate, ms. */
  paced_ms: Generated<number>;
  /** The end of the line of late shoppers, thousandths. */
  late: Generated<number>;
  /** The bitmap of early places. */
  early: Buffer | null;
}

export interface OrdersTable {
  order_no: string;
  product_id: number;
  /** `VARBINARY`, compared byte by byte. The client's type cast reads it as text. */
  user_id: string;
  status: OrderStatus;
  /** The price of one unit. */
  price_cents: number;
  quantity: Generated<number>;
  version: Generated<number>;
  reason: string | null;
  /** When the order was admitted. */
  created_at: Date;
  updated_at: Date;
  /** The payment deadline. */
  expires_at: Date | null;
  paid_at: Date | null;
  closed_at: Date | null;
  /**
   * 1 while the order holds units, else NULL. It makes (product, user) unique among live orders.
   */
  live: GeneratedAlways<number | null>;
}

/** Who moved an order, when and why; a row per transition after `pending_payment`. */
export interface OrderHistoryTable {
  order_no: string;
  from_status: OrderStatus;
  to_status: OrderStatus;
  actor: string;
  reason: string | null;
  created_at: Date;
}

export interface PaymentsTable {
  payment_id: string;
  order_no: string;
  product_id: number;
  provider: string;
  /** The provider's own id of the payment, once there is one. */
  provider_ref: string | null;
  /** The page where the shopper pays. */
  url: string | null;
  status: PaymentStatus;
  amount_cents: number;
  currency: string;
  created_at: Date;
  updated_at: Date;
  /**
   * When to ask the provider next, for the outcome, a refund or an expiry; null if there is nothing
   * to ask.
   */
  ask_at: Date | null;
  /**
   * Who requested the refund; null if it was automatic: money for an order that was closed or
   * already paid.
   */
  refund_by: string | null;
  /**
   * The number of calls since its last move that did not change it. It sets the delay before the
   * next call.
   */
  asks: Generated<number>;
  /**
   * Part of the idempotency keys of its calls. Raised if the provider may repeat an error for the
   * present key.
   */
  key_no: Generated<number>;
  /** The reason if the last call failed, else null. */
  last_error: string | null;
  /** A note for operators about its money. */
  note: string | null;
  /** When it arrived, if its order must still be moved to `paid` because Redis did not answer. */
  order_due_at: Date | null;
  open: GeneratedAlways<number | null>;
}

/** The events that were applied. Each is applied only once. */
export interface PaymentEventsTable {
  provider: string;
  event_id: string;
  payment_id: string;
  kind: string;
  created_at: Date;
}

/** Counters of a sale. `bucket` is 0, or the second or the latency of `value`. */
export interface SaleCountersTable {
  product_id: number;
  name: string;
  bucket: number;
  value: number;
}

/**
 * An order whose units must be given back, inserted in the transaction that closed or failed it.
 */
export interface StockReturnsTable {
  order_no: string;
  product_id: number;
  user_id: string;
  created_at: Date;
  applied_at: Date | null;
}

/** The findings of the auditor and its repairs. */
export interface RepairsTable {
  id: Generated<number>;
  product_id: number;
  findings: string;
  created_at: Date;
}

/** Secrets of seckill tokens, the newest with the highest id. */
export interface TokenSecretsTable {
  id: number;
  secret: string;
  /** When it begins to sign; null: always. */
  signs_from: Date | null;
}

/** Operators' calls that changed something. */
export interface OperatorActionsTable {
  id: Generated<number>;
  operator: string;
  role: OperatorRole;
  action: string;
  subject: string;
  /** JSON. */
  detail: string;
  created_at: Date;
}

/** Users and addresses that are denied. */
export interface DenyListTable {
  kind: 'user' | 'address';
  /** A user id, or a CIDR. */
  value: string;
  reason: string | null;
  /** Null: does not expire. */
  expires_at: Date | null;
  created_at: Date;
}

/** One row, whose version every change of the deny list raises. */
export interface DenyListVersionTable {
  id: number;
  version: number;
}

/**
 * Orders of one sale that reached a status together, for the receiver of order events. Deleted
 * after delivery.
 */
export interface OrderEventsTable {
  id: Generated<number>;
  product_id: number;
  status: OrderStatus;
  /** Order numbers, separated by spaces. */
  order_nos: string;
  /** The number of orders. */
  orders: number;
  /** When they reached the status. */
  created_at: Date;
  /** The message that contains it; null until the first attempt. */
  message_id: string | null;
  attempts: Generated<number>;
  next_attempt_at: Date | null;
  last_error: string | null;
  /** When the wait for delivery began; an operator's retry resets it. */
  waiting_since: Date;
  dead_at: Date | null;
}
