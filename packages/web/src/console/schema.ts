/** What the operators' API answers and its stream sends. */

/** The figures of a live sale. Null: the server with the figure does not answer. */
export interface SaleFigures {
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly start_time: string;
  readonly end_time: string;
  readonly units: number;
  readonly available: number | null;
  readonly owners: number | null;
  readonly gap: number | null;
  readonly backlog: number | null;
  readonly oldest_ms: number | null;
  readonly accepted: number | null;
  readonly replayed: number | null;
  readonly refused: Readonly<Record<string, number>> | null;
  readonly written: number | null;
  readonly failed: number | null;
  readonly paid: number | null;
  readonly cancelled: number | null;
  readonly expired: number | null;
  readonly refunded: number | null;
}

export interface ShardFigures {
  readonly shard: number;
  readonly hidden_sales: number;
  readonly oldest_ms: number | null;
  readonly jobs: Readonly<Record<string, number>> | null;
}

export interface ProcessFigures {
  readonly name: string;
  readonly kind: string;
  readonly host: string;
  readonly pid: number;
  readonly started_at: string;
  readonly cpu: number;
  readonly busy: number;
  readonly memory_bytes: number;
}

/** The data of a `figures` event. */
export interface FiguresEvent {
  readonly time: string;
  readonly redis: boolean;
  readonly mysql: boolean;
  readonly sales: readonly (Partial<SaleFigures> & Pick<SaleFigures, 'id'>)[];
  readonly gone: readonly number[];
  readonly shards: readonly ShardFigures[];
  readonly processes: readonly ProcessFigures[] | null;
}

/** A sale as the operators' list shows it. */
export interface Product {
  readonly id: number;
  readonly name: string;
  readonly price: number;
  readonly stock: number;
  readonly seckill_stock: number;
  readonly start_time: string;
  readonly end_time: string;
  readonly status: string;
  readonly available: number | null;
  readonly description?: string;
  readonly image_url?: string;
}

export interface ListedProduct extends Product {
  readonly owners: number | null;
  readonly backlog: number | null;
  readonly sold: number;
}

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next_cursor: string | null;
}

export interface Order {
  readonly order_no: string;
  readonly user_id: string;
  readonly product_id: number;
  readonly status: string;
  readonly price: number;
  readonly created_at: string;
  readonly expires_at?: string;
  readonly paid_at?: string;
  readonly closed_at?: string;
  readonly reason?: string;
}

export interface Move {
  readonly from_status: string;
  readonly to_status: string;
  readonly actor: string;
  readonly reason: string | null;
  readonly time: string;
}

export interface Payment {
  readonly payment_id: string;
  readonly provider: string;
  readonly provider_ref: string | null;
  readonly status: string;
  readonly amount: number;
  readonly currency: string;
  readonly note: string | null;
  readonly last_error: string | null;
  readonly updated_at: string;
}

export interface ProblemPayment {
  readonly payment_id: string;
  readonly order_no: string;
  readonly problems: readonly string[];
  readonly status: string;
  readonly amount: number;
  readonly currency: string;
  readonly note: string | null;
  readonly attempts: number;
  readonly last_error: string | null;
  readonly updated_at: string;
}

export interface OrderEvents {
  readonly id: number;
  readonly product_id: number;
  readonly status: string;
  readonly orders: number;
  readonly time: string;
  readonly attempts: number;
  readonly last_error: string | null;
  readonly next_attempt_at: string | null;
  readonly dead_at: string | null;
}

export interface Job {
  readonly job_id: string;
  readonly state: string;
  readonly sale_id: number;
  readonly orders: number;
  readonly attempts: number;
  readonly error: string | null;
  readonly added_at: string;
}

export interface Denied {
  readonly user_id?: string;
  readonly address?: string;
  readonly reason: string | null;
  readonly expires_at: string | null;
  readonly created_at: string;
}

export interface Stats {
  readonly currency: string;
  readonly requests: Readonly<Record<string, number>>;
  readonly accepted: number;
  readonly written: number;
  readonly paid: number;
  readonly cancelled: number;
  readonly expired: number;
  readonly refunded: number;
  readonly failed: number;
  readonly revenue: number;
}

export interface Audit {
  readonly verdict: string;
  readonly findings: readonly string[];
}

export interface Change {
  readonly id: number;
  readonly time: string;
  readonly operator: string;
  readonly role: string;
  readonly action: string;
  readonly subject: string;
  readonly detail: unknown;
}

/** The facts of a sale as the API takes them. */
export interface SaleFacts {
  readonly name: string;
  readonly price: number;
  readonly start_time: string;
  readonly end_time: string;
  readonly description: string | null;
  readonly image_url: string | null;
}

export type OrderFile = Order & { readonly history: readonly Move[]; readonly payments: readonly Payment[] };
