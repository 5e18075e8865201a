import type { Generated, GeneratedAlways } from 'kysely';
import type { OperatorRole } from '../../operator/operator.ts';
import type { OrderStatus } from '../../order/order.ts';
import type { PaymentStatus } from '../../payment/payment.ts';

/** The tables as Kysely sees them; the migrations create them. All times are UTC with milliseconds. */
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
  /** Live orders; raised by the writer, lowered by a close. */
  sold: Generated<number>;
  /** Highest fencing token that was stamped. */
  fence: Generated<number>;
  /** The history of Redis in which the sale was loaded last; null before the first time. */
  history_id: Generated<string | null>;
  version: Generated<number>;
  paused: Generated<number>;
  pause_version: Generated<number>;
  created_at: Date;
  /** When the sale's keys were deleted from Redis; until then the services look after it. */
  cleaned_at: Date | null;
  /** From when on the sale is being archived: nothing of it moves any more, and callers find it gone. */
  archiving_at: Date | null;
  /** When its archive was complete and on disk: from then on its rows are deleted, this one last. */
  archived_at: Date | null;
}

export interface OrdersTable {
  order_no: string;
  product_id: number;
  /** `VARBINARY`: compared byte by byte. Read as text through the client's type cast. */
  user_id: string;
  status: OrderStatus;
  price_cents: number;
  version: Generated<number>;
  reason: string | null;
  /** When the order was admitted. */
  created_at: Date;
  updated_at: Date;
  /** Until when it can be paid. */
  expires_at: Date | null;
  paid_at: Date | null;
  closed_at: Date | null;
  /** 1 while the order holds a unit, else NULL: what makes (product, user) unique among live orders. */
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
  /** The provider's own name of it, once it has one. */
  provider_ref: string | null;
  /** Where the shopper pays. */
  url: string | null;
  status: PaymentStatus;
  amount_cents: number;
  currency: string;
  created_at: Date;
  updated_at: Date;
  /** When the provider is to be asked, again, to refund or expire it; null while there is nothing to ask. */
  ask_at: Date | null;
  /** Who asked for the refund; null where nobody had to: money for an order that was closed or paid already. */
  refund_by: string | null;
  /** Calls since its last move that left it as it is, for the time until the next one. */
  asks: Generated<number>;
  /** Part of the idempotency keys of its calls: raised when the provider may keep an error as the answer to the present one. */
  key_no: Generated<number>;
  /** Why the last call failed; null when it did not. */
  last_error: string | null;
  /** What operators should know of its money. */
  note: string | null;
  /** When it arrived, where its order is still to be moved to `paid`, since Redis could not be told. */
  order_due_at: Date | null;
  open: GeneratedAlways<number | null>;
}

/** Events that were applied, so that none is applied twice. */
export interface PaymentEventsTable {
  provider: string;
  event_id: string;
  payment_id: string;
  kind: string;
  created_at: Date;
}

/** Sums of a sale: `bucket` is 0, or the second or the latency that `value` belongs to. */
export interface SaleCountersTable {
  product_id: number;
  name: string;
  bucket: number;
  value: number;
}

/** A unit that has to go back, written in the transaction that closed or failed its order. */
export interface StockReturnsTable {
  order_no: string;
  product_id: number;
  user_id: string;
  created_at: Date;
  applied_at: Date | null;
}

/** What the auditor found and mended. */
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
  /** From when on it signs; null: always has. */
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

/** Users and addresses that are refused. */
export interface DenyListTable {
  kind: 'user' | 'address';
  /** A user id, or a CIDR. */
  value: string;
  reason: string | null;
  /** Null: for ever. */
  expires_at: Date | null;
  created_at: Date;
}

/** One row, whose version every change of the deny list raises. */
export interface DenyListVersionTable {
  id: number;
  version: number;
}

/** Orders of one sale that came to a status together, for the receiver of order events. Deleted when delivered. */
export interface OrderEventsTable {
  id: Generated<number>;
  product_id: number;
  status: OrderStatus;
  /** Order numbers, separated by spaces. */
  order_nos: string;
  /** How many. */
  orders: number;
  /** When they came to it. */
  created_at: Date;
  /** The message that tells of it; null until it is first tried. */
  message_id: string | null;
  attempts: Generated<number>;
  next_attempt_at: Date | null;
  last_error: string | null;
  /** Since when it waits to be delivered; an operator's retry begins anew. */
  waiting_since: Date;
  dead_at: Date | null;
}
