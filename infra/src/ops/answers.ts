export interface Sale {
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly seckill_stock: number;
  readonly available: number | null;
  readonly owners: number | null;
  readonly backlog: number | null;
  readonly sold: number;
  readonly start_time: string;
  readonly end_time: string;
}

/** A sale as shoppers see it. */
export type Product = Pick<Sale, 'name' | 'status' | 'seckill_stock' | 'available'>;

export interface Order {
  readonly order_no: string;
  readonly user_id: string;
  readonly status: string;
  readonly price: number;
  readonly created_at: string;
  readonly reason?: string;
}

export interface Job {
  readonly job_id: string;
  readonly state: string;
  readonly sale_id: number;
  readonly orders: number;
  readonly attempts: number;
  readonly added_at: string;
  readonly error: string | null;
}

export interface Action {
  readonly id: number;
  readonly time: string;
  readonly operator: string;
  readonly role: string;
  readonly action: string;
  readonly subject: string;
  readonly detail: unknown;
}

export interface Denied {
  readonly user_id?: string;
  readonly address?: string;
  readonly reason: string | null;
  readonly expires_at: string | null;
  readonly created_at: string;
}

export interface Payment {
  readonly payment_id: string;
  readonly order_no: string;
  readonly problems: readonly string[];
  readonly status: string;
  readonly amount: number;
  readonly currency: string;
  readonly note: string | null;
  readonly attempts: number;
  readonly last_error: string | null;
  readonly next_attempt_at: string | null;
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

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next_cursor: string | null;
}
