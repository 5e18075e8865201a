// Written by `npm run docs` from the OpenAPI document of the api's routes.

export interface paths {
    readonly "/api/v1/admin/actions": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Changes and exports made by operators, newest first */
        readonly get: {
            readonly parameters: {
                readonly query?: {
                    readonly cursor?: string;
                    /** @description Rows per page, 20 by default */
                    readonly limit?: number;
                };
                readonly header?: never;
                readonly path?: never;
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            readonly items: readonly {
                                readonly action: string;
                                readonly detail: unknown;
                                readonly id: number;
                                /** @description The name that the operator gave; the role if there was none */
                                readonly operator: string;
                                /** @enum {unknown} */
                                readonly role: "admin" | "viewer";
                                readonly subject: string;
                                /**
                                 * @description ISO-8601, UTC
                                 * @example 2026-11-27T20:00:00.000Z
                                 */
                                readonly time: string;
                            }[];
                            /** @description The `cursor` of the next page; null on the last page */
                            readonly next_cursor: string | null;
                        };
                    };
                };
            };
        };
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/deny-list": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** The deny list */
        readonly get: {
            readonly parameters: {
                readonly query?: {
                    readonly cursor?: string;
                    /** @description Rows per page, 20 by default */
                    readonly limit?: number;
                };
                readonly header?: never;
                readonly path?: never;
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            readonly items: readonly {
                                /** @description CIDR */
                                readonly address?: string;
                                /**
                                 * @description ISO-8601, UTC
                                 * @example 2026-11-27T20:00:00.000Z
                                 */
                                readonly created_at: string;
                                /** @description Null if the entry has no end */
                                readonly expires_at: string | null;
                                readonly reason: string | null;
                                readonly user_id?: string;
                            }[];
                            /** @description The `cursor` of the next page; null on the last page */
                            readonly next_cursor: string | null;
                        };
                    };
                };
            };
        };
        readonly put?: never;
        /**
         * Deny a user or an address
         * @description Takes effect in every api process within one second. A repeated call replaces the entry.
         */
        readonly post: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path?: never;
                readonly cookie?: never;
            };
            readonly requestBody: {
                readonly content: {
                    readonly "application/json": {
                        /**
                         * @description An address, or a CIDR of at least 8 bits (IPv4) or 16 (IPv6)
                         * @example 203.0.113.0/24
                         */
                        readonly address?: string;
                        /**
                         * @description The entry has no end if this is left out
                         * @example 2026-11-27T20:00:00.000Z
                         */
                        readonly expires_at?: string;
                        readonly reason?: string;
                        /**
                         * @description 1 to 255 visible ASCII characters
                         * @example alice
                         */
                        readonly user_id?: string;
                    };
                };
            };
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            /** @description CIDR */
                            readonly address?: string;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly created_at: string;
                            /** @description Null if the entry has no end */
                            readonly expires_at: string | null;
                            readonly reason: string | null;
                            readonly user_id?: string;
                        };
                    };
                };
            };
        };
        /** Remove an entry from the deny list */
        readonly delete: {
            readonly parameters: {
                readonly query?: {
                    /**
                     * @description An address, or a CIDR of at least 8 bits (IPv4) or 16 (IPv6)
                     * @example 203.0.113.0/24
                     */
                    readonly address?: string;
                    /**
                     * @description 1 to 255 visible ASCII characters
                     * @example alice
                     */
                    readonly user_id?: string;
                };
                readonly header?: never;
                readonly path?: never;
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 204: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/downloads": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Prepare a download of the orders as CSV
         * @description For a page: the browser downloads an address and sends no operator token with it. The random id takes the place of the token, once, within a minute.
         */
        readonly post: {
            readonly parameters: {
                readonly query?: {
                    readonly product_id?: number;
                    readonly status?: "pending_payment" | "paid" | "refunded" | "cancelled" | "expired" | "failed";
                    /**
                     * @description 1 to 255 visible ASCII characters
                     * @example alice
                     */
                    readonly user_id?: string;
                };
                readonly header?: never;
                readonly path?: never;
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 201: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly expires_at: string;
                            readonly id: string;
                        };
                    };
                };
            };
        };
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/downloads/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Download the orders as CSV without an operator token
         * @description As `GET /api/v1/admin/orders.csv`. The id is used up by the first call, even if that is cut off.
         */
        readonly get: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path: {
                    readonly id: string;
                };
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "text/csv": string;
                    };
                };
            };
        };
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/jobs": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Waiting order jobs with their errors
         * @description Jobs that failed before come first, with the error of the last attempt.
         */
        readonly get: {
            readonly parameters: {
                readonly query?: {
                    /** @description Rows per page, 20 by default */
                    readonly limit?: number;
                };
                readonly header?: never;
                readonly path?: never;
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            readonly counts: {
                                readonly active: number;
                                readonly delayed: number;
                                readonly waiting: number;
                            };
                            readonly items: readonly {
                                /**
                                 * @description ISO-8601, UTC
                                 * @example 2026-11-27T20:00:00.000Z
                                 */
                                readonly added_at: string;
                                /** @description Attempts that failed */
                                readonly attempts: number;
                                readonly error: string | null;
                                readonly job_id: string;
                                /** @description Orders of the batch; null if the relay added the job */
                                readonly orders: number | null;
                                readonly sale_id: number;
                                readonly shard: number;
                                /** @enum {unknown} */
                                readonly state: "active" | "waiting" | "delayed";
                            }[];
                        };
                    };
                };
            };
        };
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/live": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Live figures of all live sales, as server-sent events
         * @description One `figures` event a second, with JSON. The first one has all figures. In later ones a sale has only the fields that have changed, and `gone` lists the sales that are not live any more. A sale is live from 10 minutes before its start to 10 minutes after its end, and while it has a backlog. Counts are totals over all processes: their difference to an earlier event gives a rate. Null means that the server with the figure does not answer.
         */
        readonly get: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path?: never;
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "text/event-stream": string;
                    };
                };
            };
        };
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/operator": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** The name and the role of the caller */
        readonly get: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path?: never;
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            /** @description The name that the operator gave; the role if there was none */
                            readonly name: string;
                            /** @enum {unknown} */
                            readonly role: "admin" | "viewer";
                        };
                    };
                };
            };
        };
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/order-events": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Order events that are not delivered, oldest first */
        readonly get: {
            readonly parameters: {
                readonly query?: {
                    readonly cursor?: string;
                    /** @description Rows per page, 20 by default */
                    readonly limit?: number;
                    /** @description Only dead events: the service has stopped trying to deliver them */
                    readonly state?: "dead";
                };
                readonly header?: never;
                readonly path?: never;
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            readonly items: readonly {
                                readonly attempts: number;
                                readonly dead_at: string | null;
                                readonly id: number;
                                readonly last_error: string | null;
                                /** @description Null before the first attempt */
                                readonly message_id: string | null;
                                readonly next_attempt_at: string | null;
                                /** @description Number of orders */
                                readonly orders: number;
                                readonly product_id: number;
                                /** @description The new status of the orders */
                                readonly status: string;
                                /**
                                 * @description ISO-8601, UTC
                                 * @example 2026-11-27T20:00:00.000Z
                                 */
                                readonly time: string;
                            }[];
                            /** @description The `cursor` of the next page; null on the last page */
                            readonly next_cursor: string | null;
                        };
                    };
                };
            };
        };
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/order-events/discard": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /** Discard all dead order events; this is final */
        readonly post: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path?: never;
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            readonly discarded: number;
                        };
                    };
                };
            };
        };
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/order-events/retry": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /** Deliver all dead order events again */
        readonly post: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path?: never;
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            readonly retried: number;
                        };
                    };
                };
            };
        };
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/orders": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Orders, newest first
         * @description The list has the orders that are in the ledger. An `order_no` also finds an order that is still `queued`. With a `status` but neither a sale nor a shopper, a page can be short although more pages follow: go on until `next_cursor` is null.
         */
        readonly get: {
            readonly parameters: {
                readonly query?: {
                    readonly cursor?: string;
                    /** @description Rows per page, 20 by default */
                    readonly limit?: number;
                    readonly order_no?: string;
                    readonly product_id?: number;
                    readonly status?: "pending_payment" | "paid" | "refunded" | "cancelled" | "expired" | "failed";
                    /**
                     * @description 1 to 255 visible ASCII characters
                     * @example alice
                     */
                    readonly user_id?: string;
                };
                readonly header?: never;
                readonly path?: never;
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            readonly items: readonly {
                                /**
                                 * @description ISO-8601, UTC
                                 * @example 2026-11-27T20:00:00.000Z
                                 */
                                readonly closed_at?: string;
                                /**
                                 * @description ISO-8601, UTC
                                 * @example 2026-11-27T20:00:00.000Z
                                 */
                                readonly created_at: string;
                                /** @description The end of the time to pay */
                                readonly expires_at?: string;
                                readonly order_no: string;
                                /**
                                 * @description ISO-8601, UTC
                                 * @example 2026-11-27T20:00:00.000Z
                                 */
                                readonly paid_at?: string;
                                /**
                                 * @description At most two decimals
                                 * @example 19.99
                                 */
                                readonly price: number;
                                readonly product_id: number;
                                /** @description Units */
                                readonly quantity: number;
                                /** @description Why the order failed */
                                readonly reason?: string;
                                /** @enum {unknown} */
                                readonly status: "queued" | "pending_payment" | "paid" | "refunded" | "cancelled" | "expired" | "failed";
                                /** @description `price` times `quantity`: what the shopper pays */
                                readonly total: number;
                                readonly user_id: string;
                            }[];
                            /** @description The `cursor` of the next page; null on the last page */
                            readonly next_cursor: string | null;
                        };
                    };
                };
            };
        };
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/orders.csv": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Orders as CSV, newest first
         * @description All orders of the filter that are in the ledger, sent while they are read. A text that a spreadsheet would take for a formula begins with `'`. An answer that ends early is not complete: its connection is cut.
         */
        readonly get: {
            readonly parameters: {
                readonly query?: {
                    readonly product_id?: number;
                    readonly status?: "pending_payment" | "paid" | "refunded" | "cancelled" | "expired" | "failed";
                    /**
                     * @description 1 to 255 visible ASCII characters
                     * @example alice
                     */
                    readonly user_id?: string;
                };
                readonly header?: never;
                readonly path?: never;
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "text/csv": string;
                    };
                };
            };
        };
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/orders/{orderNo}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * An order with its history and its payments
         * @description Also shows payments that came for a closed order or after another payment, with their refunds.
         */
        readonly get: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path: {
                    readonly orderNo: string;
                };
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly closed_at?: string;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly created_at: string;
                            /** @description The end of the time to pay */
                            readonly expires_at?: string;
                            readonly history: readonly {
                                /** @description Who moved it */
                                readonly actor: string;
                                readonly from_status: string;
                                readonly reason: string | null;
                                /**
                                 * @description ISO-8601, UTC
                                 * @example 2026-11-27T20:00:00.000Z
                                 */
                                readonly time: string;
                                readonly to_status: string;
                            }[];
                            readonly order_no: string;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly paid_at?: string;
                            readonly payments: readonly {
                                /**
                                 * @description At most two decimals
                                 * @example 19.99
                                 */
                                readonly amount: number;
                                /**
                                 * @description ISO-8601, UTC
                                 * @example 2026-11-27T20:00:00.000Z
                                 */
                                readonly created_at: string;
                                readonly currency: string;
                                /** @description Why the last call to the provider failed */
                                readonly last_error: string | null;
                                /** @description A remark about the money, such as a wrong amount */
                                readonly note: string | null;
                                readonly payment_id: string;
                                readonly provider: string;
                                readonly provider_ref: string | null;
                                /** @enum {unknown} */
                                readonly status: "started" | "declined" | "succeeded" | "refund_pending" | "refunded";
                                /**
                                 * @description ISO-8601, UTC
                                 * @example 2026-11-27T20:00:00.000Z
                                 */
                                readonly updated_at: string;
                            }[];
                            /**
                             * @description At most two decimals
                             * @example 19.99
                             */
                            readonly price: number;
                            readonly product_id: number;
                            /** @description Units */
                            readonly quantity: number;
                            /** @description Why the order failed */
                            readonly reason?: string;
                            /** @enum {unknown} */
                            readonly status: "queued" | "pending_payment" | "paid" | "refunded" | "cancelled" | "expired" | "failed";
                            /** @description `price` times `quantity`: what the shopper pays */
                            readonly total: number;
                            readonly user_id: string;
                        };
                    };
                };
            };
        };
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/orders/{orderNo}/refund": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Refund a paid order
         * @description The order becomes `refunded`, and its units go back on sale, when the payment provider has confirmed the refund.
         */
        readonly post: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path: {
                    readonly orderNo: string;
                };
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 202: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly closed_at?: string;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly created_at: string;
                            /** @description The end of the time to pay */
                            readonly expires_at?: string;
                            readonly order_no: string;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly paid_at?: string;
                            /**
                             * @description At most two decimals
                             * @example 19.99
                             */
                            readonly price: number;
                            readonly product_id: number;
                            /** @description Units */
                            readonly quantity: number;
                            /** @description Why the order failed */
                            readonly reason?: string;
                            /** @enum {unknown} */
                            readonly status: "queued" | "pending_payment" | "paid" | "refunded" | "cancelled" | "expired" | "failed";
                            /** @description `price` times `quantity`: what the shopper pays */
                            readonly total: number;
                            readonly user_id: string;
                        };
                    };
                };
            };
        };
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/payments": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Payments with a problem, oldest first
         * @description `overdue`: the payment has waited for more than an hour for its refund, or for the answer of the provider after its order has closed. `wrong_amount`: the amount or currency does not match the order; the payment is refunded. `failing`: the last call to the provider failed and will be repeated.
         */
        readonly get: {
            readonly parameters: {
                readonly query?: {
                    readonly cursor?: string;
                    /** @description Rows per page, 20 by default */
                    readonly limit?: number;
                    /** @description Only payments with this problem */
                    readonly state?: "overdue" | "wrong_amount" | "failing";
                };
                readonly header?: never;
                readonly path?: never;
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            readonly items: readonly {
                                /**
                                 * @description At most two decimals
                                 * @example 19.99
                                 */
                                readonly amount: number;
                                /** @description Calls to the provider that did not end the payment */
                                readonly attempts: number;
                                /**
                                 * @description ISO-8601, UTC
                                 * @example 2026-11-27T20:00:00.000Z
                                 */
                                readonly created_at: string;
                                readonly currency: string;
                                /** @description Why the last call failed */
                                readonly last_error: string | null;
                                readonly next_attempt_at: string | null;
                                /** @description What came instead of the right amount */
                                readonly note: string | null;
                                readonly order_no: string;
                                readonly payment_id: string;
                                readonly problems: readonly ("overdue" | "wrong_amount" | "failing")[];
                                readonly product_id: number;
                                readonly provider: string;
                                readonly provider_ref: string | null;
                                /** @enum {unknown} */
                                readonly status: "started" | "declined" | "succeeded" | "refund_pending" | "refunded";
                                /**
                                 * @description ISO-8601, UTC
                                 * @example 2026-11-27T20:00:00.000Z
                                 */
                                readonly updated_at: string;
                            }[];
                            /** @description The `cursor` of the next page; null on the last page */
                            readonly next_cursor: string | null;
                        };
                    };
                };
            };
        };
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/products": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Sales with their live figures, newest first
         * @description The units and the reservations of a sale are read at the same instant, so `available` + `held` = `seckill_stock`.
         */
        readonly get: {
            readonly parameters: {
                readonly query?: {
                    readonly cursor?: string;
                    /** @description Rows per page, 20 by default */
                    readonly limit?: number;
                };
                readonly header?: never;
                readonly path?: never;
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            readonly items: readonly {
                                /** @description Units that can be bought now; null while this is not known */
                                readonly available: number | null;
                                /** @description Orders that the ledger does not have yet */
                                readonly backlog: number | null;
                                /** @description Plain text */
                                readonly description?: string;
                                /**
                                 * @description ISO-8601, UTC
                                 * @example 2026-11-27T20:00:00.000Z
                                 */
                                readonly end_time: string;
                                /** @description Null while Redis does not answer */
                                readonly held: number | null;
                                readonly id: number;
                                /** @description A picture of the product, with https */
                                readonly image_url?: string;
                                readonly name: string;
                                /**
                                 * @description At most two decimals
                                 * @example 19.99
                                 */
                                readonly price: number;
                                /** @description Units of the sale */
                                readonly seckill_stock: number;
                                readonly shard: number;
                                /** @description Units of live orders in the ledger */
                                readonly sold: number;
                                /**
                                 * @description ISO-8601, UTC
                                 * @example 2026-11-27T20:00:00.000Z
                                 */
                                readonly start_time: string;
                                /** @enum {unknown} */
                                readonly status: "not_ready" | "scheduled" | "open" | "paused" | "sold_out" | "ended";
                                /** @description The ordinary stock of the shop; the sale does not change it */
                                readonly stock: number;
                                /** @description Maximum units of one order */
                                readonly units_per_shopper: number;
                                /** @description If the sale has one: only called shoppers can buy */
                                readonly waiting_room?: {
                                    /** @description People called per second at most; null: no limit of its own */
                                    readonly admit_per_second: number | null;
                                    /** @description SHA-256 of the seed, hex: public from the creation of the sale on */
                                    readonly commitment: string;
                                    /** @description Shoppers may join from then on */
                                    readonly opens_at: string;
                                    /** @description 32 bytes, hex; public from the start on, when the early places are fixed */
                                    readonly seed?: string;
                                };
                            }[];
                            /** @description The `cursor` of the next page; null on the last page */
                            readonly next_cursor: string | null;
                        };
                    };
                };
            };
        };
        readonly put?: never;
        /**
         * Open a sale
         * @description The service loads the sale into Redis before it answers. The sale sells from `start_time` on.
         */
        readonly post: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path?: never;
                readonly cookie?: never;
            };
            readonly requestBody: {
                readonly content: {
                    readonly "application/json": {
                        /** @description Shown to shoppers, as text */
                        readonly description?: string;
                        /**
                         * @description After `start_time`
                         * @example 2026-11-27T20:00:00.000Z
                         */
                        readonly end_time: string;
                        /**
                         * @description A picture of the product; `https` only
                         * @example https://shop.example/picture.png
                         */
                        readonly image_url?: string;
                        readonly name: string;
                        /**
                         * @description At most two decimals
                         * @example 19.99
                         */
                        readonly price: number;
                        readonly seckill_stock: number;
                        /**
                         * @description ISO-8601, UTC
                         * @example 2026-11-27T20:00:00.000Z
                         */
                        readonly start_time: string;
                        /** @description At least `seckill_stock` */
                        readonly stock: number;
                        /** @description Maximum units of one order; 1 by default. `price` times this is at most 999999.99 */
                        readonly units_per_shopper?: number;
                        /** @description Shoppers join a waiting room, and only those who are called can buy */
                        readonly waiting_room?: {
                            /** @description People called per second at most */
                            readonly admit_per_second?: number;
                            /**
                             * @description Before `start_time`: shoppers may join from then on
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly opens_at: string;
                        };
                    };
                };
            };
            readonly responses: {
                /** @description Default Response */
                readonly 201: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            /** @description Units that can be bought now; null while this is not known */
                            readonly available: number | null;
                            /** @description Plain text */
                            readonly description?: string;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly end_time: string;
                            readonly id: number;
                            /** @description A picture of the product, with https */
                            readonly image_url?: string;
                            readonly name: string;
                            /**
                             * @description At most two decimals
                             * @example 19.99
                             */
                            readonly price: number;
                            /** @description Units of the sale */
                            readonly seckill_stock: number;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly start_time: string;
                            /** @enum {unknown} */
                            readonly status: "not_ready" | "scheduled" | "open" | "paused" | "sold_out" | "ended";
                            /** @description The ordinary stock of the shop; the sale does not change it */
                            readonly stock: number;
                            /** @description Maximum units of one order */
                            readonly units_per_shopper: number;
                            /** @description If the sale has one: only called shoppers can buy */
                            readonly waiting_room?: {
                                /** @description People called per second at most; null: no limit of its own */
                                readonly admit_per_second: number | null;
                                /** @description SHA-256 of the seed, hex: public from the creation of the sale on */
                                readonly commitment: string;
                                /** @description Shoppers may join from then on */
                                readonly opens_at: string;
                                /** @description 32 bytes, hex; public from the start on, when the early places are fixed */
                                readonly seed?: string;
                            };
                        };
                    };
                };
            };
        };
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/products/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post?: never;
        /**
         * Delete a sale without orders
         * @description A sale that has an order, in any status, is not deleted: `invalid_state`. End it instead.
         */
        readonly delete: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path: {
                    readonly id: number;
                };
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 204: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        readonly options?: never;
        readonly head?: never;
        /**
         * Edit a sale
         * @description Fields that are not given stay as they are; `null` removes a text. Until the sale starts, all of them may change. From then on `price` and `start_time` stay, and after its end nothing changes. A change stops the sale for the time of one commit.
         */
        readonly patch: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path: {
                    readonly id: number;
                };
                readonly cookie?: never;
            };
            readonly requestBody: {
                readonly content: {
                    readonly "application/json": {
                        readonly description?: string | null;
                        /**
                         * @description After `start_time`
                         * @example 2026-11-27T20:00:00.000Z
                         */
                        readonly end_time?: string;
                        readonly image_url?: string | null;
                        readonly name?: string;
                        /**
                         * @description At most two decimals
                         * @example 19.99
                         */
                        readonly price?: number;
                        /**
                         * @description ISO-8601, UTC
                         * @example 2026-11-27T20:00:00.000Z
                         */
                        readonly start_time?: string;
                        /** @description Maximum units of one order; 1 by default. `price` times this is at most 999999.99 */
                        readonly units_per_shopper?: number;
                        /** @description Of a sale that has a waiting room. `opens_at` may change until the start; `admit_per_second` until the end, without a stop */
                        readonly waiting_room?: {
                            readonly admit_per_second?: number | null;
                            /**
                             * @description Before `start_time`: shoppers may join from then on
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly opens_at?: string;
                        };
                    };
                };
            };
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            /** @description Units that can be bought now; null while this is not known */
                            readonly available: number | null;
                            /** @description Plain text */
                            readonly description?: string;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly end_time: string;
                            readonly id: number;
                            /** @description A picture of the product, with https */
                            readonly image_url?: string;
                            readonly name: string;
                            /**
                             * @description At most two decimals
                             * @example 19.99
                             */
                            readonly price: number;
                            /** @description Units of the sale */
                            readonly seckill_stock: number;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly start_time: string;
                            /** @enum {unknown} */
                            readonly status: "not_ready" | "scheduled" | "open" | "paused" | "sold_out" | "ended";
                            /** @description The ordinary stock of the shop; the sale does not change it */
                            readonly stock: number;
                            /** @description Maximum units of one order */
                            readonly units_per_shopper: number;
                            /** @description If the sale has one: only called shoppers can buy */
                            readonly waiting_room?: {
                                /** @description People called per second at most; null: no limit of its own */
                                readonly admit_per_second: number | null;
                                /** @description SHA-256 of the seed, hex: public from the creation of the sale on */
                                readonly commitment: string;
                                /** @description Shoppers may join from then on */
                                readonly opens_at: string;
                                /** @description 32 bytes, hex; public from the start on, when the early places are fixed */
                                readonly seed?: string;
                            };
                        };
                    };
                };
            };
        };
        readonly trace?: never;
    };
    readonly "/api/v1/admin/products/{id}/audit": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Compare a sale in Redis with the ledger, entry by entry
         * @description The audit holds the lease of the sale. Shoppers can buy during the audit; their orders are written after it.
         */
        readonly post: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path: {
                    readonly id: number;
                };
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            readonly available: number;
                            /** @description One sentence for each finding; empty if the sale is clean */
                            readonly findings: readonly string[];
                            readonly held: number;
                            readonly live_orders: number;
                            readonly reservations: number;
                            readonly sale_id: number;
                            readonly sold: number;
                            readonly unapplied_returns: number;
                            readonly units: number;
                            /**
                             * @description `skipped`: the sale is not ready. Rebuild it first
                             * @enum {unknown}
                             */
                            readonly verdict: "clean" | "drift" | "late" | "skipped";
                        };
                    };
                };
            };
        };
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/products/{id}/end": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * End a sale now; this is final
         * @description The end goes by the clock of Redis. Orders admitted before it stay valid; every later buy is answered `ended`. A sale that is already over does not change.
         */
        readonly post: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path: {
                    readonly id: number;
                };
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            /** @description Units that can be bought now; null while this is not known */
                            readonly available: number | null;
                            /** @description Plain text */
                            readonly description?: string;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly end_time: string;
                            readonly id: number;
                            /** @description A picture of the product, with https */
                            readonly image_url?: string;
                            readonly name: string;
                            /**
                             * @description At most two decimals
                             * @example 19.99
                             */
                            readonly price: number;
                            /** @description Units of the sale */
                            readonly seckill_stock: number;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly start_time: string;
                            /** @enum {unknown} */
                            readonly status: "not_ready" | "scheduled" | "open" | "paused" | "sold_out" | "ended";
                            /** @description The ordinary stock of the shop; the sale does not change it */
                            readonly stock: number;
                            /** @description Maximum units of one order */
                            readonly units_per_shopper: number;
                            /** @description If the sale has one: only called shoppers can buy */
                            readonly waiting_room?: {
                                /** @description People called per second at most; null: no limit of its own */
                                readonly admit_per_second: number | null;
                                /** @description SHA-256 of the seed, hex: public from the creation of the sale on */
                                readonly commitment: string;
                                /** @description Shoppers may join from then on */
                                readonly opens_at: string;
                                /** @description 32 bytes, hex; public from the start on, when the early places are fixed */
                                readonly seed?: string;
                            };
                        };
                    };
                };
            };
        };
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/products/{id}/pause": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /** Pause a sale */
        readonly post: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path: {
                    readonly id: number;
                };
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            /** @description Units that can be bought now; null while this is not known */
                            readonly available: number | null;
                            /** @description Plain text */
                            readonly description?: string;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly end_time: string;
                            readonly id: number;
                            /** @description A picture of the product, with https */
                            readonly image_url?: string;
                            readonly name: string;
                            /**
                             * @description At most two decimals
                             * @example 19.99
                             */
                            readonly price: number;
                            /** @description Units of the sale */
                            readonly seckill_stock: number;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly start_time: string;
                            /** @enum {unknown} */
                            readonly status: "not_ready" | "scheduled" | "open" | "paused" | "sold_out" | "ended";
                            /** @description The ordinary stock of the shop; the sale does not change it */
                            readonly stock: number;
                            /** @description Maximum units of one order */
                            readonly units_per_shopper: number;
                            /** @description If the sale has one: only called shoppers can buy */
                            readonly waiting_room?: {
                                /** @description People called per second at most; null: no limit of its own */
                                readonly admit_per_second: number | null;
                                /** @description SHA-256 of the seed, hex: public from the creation of the sale on */
                                readonly commitment: string;
                                /** @description Shoppers may join from then on */
                                readonly opens_at: string;
                                /** @description 32 bytes, hex; public from the start on, when the early places are fixed */
                                readonly seed?: string;
                            };
                        };
                    };
                };
            };
        };
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/products/{id}/rebuild": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Rebuild a sale in Redis
         * @description The sale is rebuilt from the ledger and from the reservations that Redis still has. Buyers get `not_ready` until it is done.
         */
        readonly post: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path: {
                    readonly id: number;
                };
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            /** @description Units that can be bought now; null while this is not known */
                            readonly available: number | null;
                            /** @description Plain text */
                            readonly description?: string;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly end_time: string;
                            readonly held: number;
                            readonly id: number;
                            /** @description A picture of the product, with https */
                            readonly image_url?: string;
                            readonly name: string;
                            /**
                             * @description At most two decimals
                             * @example 19.99
                             */
                            readonly price: number;
                            /** @description Units of the sale */
                            readonly seckill_stock: number;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly start_time: string;
                            /** @enum {unknown} */
                            readonly status: "not_ready" | "scheduled" | "open" | "paused" | "sold_out" | "ended";
                            /** @description The ordinary stock of the shop; the sale does not change it */
                            readonly stock: number;
                            /** @description Maximum units of one order */
                            readonly units_per_shopper: number;
                            /** @description If the sale has one: only called shoppers can buy */
                            readonly waiting_room?: {
                                /** @description People called per second at most; null: no limit of its own */
                                readonly admit_per_second: number | null;
                                /** @description SHA-256 of the seed, hex: public from the creation of the sale on */
                                readonly commitment: string;
                                /** @description Shoppers may join from then on */
                                readonly opens_at: string;
                                /** @description 32 bytes, hex; public from the start on, when the early places are fixed */
                                readonly seed?: string;
                            };
                        };
                    };
                };
            };
        };
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/products/{id}/repair": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Audit a sale, and repair it if it differs from the ledger
         * @description The orders in the ledger are taken as correct: `sold` is counted again, and Redis is rebuilt from them.
         */
        readonly post: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path: {
                    readonly id: number;
                };
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            readonly available: number;
                            /** @description One sentence for each finding; empty if the sale is clean */
                            readonly findings: readonly string[];
                            readonly held: number;
                            readonly live_orders: number;
                            /** @description True if a difference was found */
                            readonly repaired: boolean;
                            readonly reservations: number;
                            readonly sale_id: number;
                            readonly sold: number;
                            readonly unapplied_returns: number;
                            readonly units: number;
                            /**
                             * @description `skipped`: the sale is not ready. Rebuild it first
                             * @enum {unknown}
                             */
                            readonly verdict: "clean" | "drift" | "late" | "skipped";
                        };
                    };
                };
            };
        };
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/products/{id}/resume": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /** Resume a paused sale */
        readonly post: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path: {
                    readonly id: number;
                };
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            /** @description Units that can be bought now; null while this is not known */
                            readonly available: number | null;
                            /** @description Plain text */
                            readonly description?: string;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly end_time: string;
                            readonly id: number;
                            /** @description A picture of the product, with https */
                            readonly image_url?: string;
                            readonly name: string;
                            /**
                             * @description At most two decimals
                             * @example 19.99
                             */
                            readonly price: number;
                            /** @description Units of the sale */
                            readonly seckill_stock: number;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly start_time: string;
                            /** @enum {unknown} */
                            readonly status: "not_ready" | "scheduled" | "open" | "paused" | "sold_out" | "ended";
                            /** @description The ordinary stock of the shop; the sale does not change it */
                            readonly stock: number;
                            /** @description Maximum units of one order */
                            readonly units_per_shopper: number;
                            /** @description If the sale has one: only called shoppers can buy */
                            readonly waiting_room?: {
                                /** @description People called per second at most; null: no limit of its own */
                                readonly admit_per_second: number | null;
                                /** @description SHA-256 of the seed, hex: public from the creation of the sale on */
                                readonly commitment: string;
                                /** @description Shoppers may join from then on */
                                readonly opens_at: string;
                                /** @description 32 bytes, hex; public from the start on, when the early places are fixed */
                                readonly seed?: string;
                            };
                        };
                    };
                };
            };
        };
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/products/{id}/stats": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** The statistics of a sale */
        readonly get: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path: {
                    readonly id: number;
                };
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            /** @description Accepted orders: those in the ledger and those still waiting for it */
                            readonly accepted: number;
                            readonly cancelled: number;
                            /** @description ISO 4217, of `revenue` */
                            readonly currency: string;
                            readonly expired: number;
                            readonly failed: number;
                            /** @description Accepted orders for each second that has any */
                            readonly orders_per_second: readonly {
                                readonly orders: number;
                                readonly time: string;
                            }[];
                            readonly paid: number;
                            readonly product_id: number;
                            readonly refunded: number;
                            /** @description Buys by outcome */
                            readonly requests: {
                                readonly [key: string]: number;
                            };
                            /** @description Payments minus refunds */
                            readonly revenue: number;
                            /** @description Time from the admission of an order to its row in the ledger */
                            readonly row_after_ms: {
                                readonly p50: number | null;
                                readonly p99: number | null;
                            };
                            /** @description Units of live orders in the ledger */
                            readonly sold: number;
                            /** @description Orders in the ledger that did not fail */
                            readonly written: number;
                        };
                    };
                };
            };
        };
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/products/{id}/top-up": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Raise the units of a sale
         * @description The number is the new total, so a repeated call changes nothing. Buyers get `not_ready` for the time of one commit.
         */
        readonly post: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path: {
                    readonly id: number;
                };
                readonly cookie?: never;
            };
            readonly requestBody: {
                readonly content: {
                    readonly "application/json": {
                        /** @description The new total of units: at least the current one, and at most `stock` */
                        readonly seckill_stock: number;
                        /** @description Raises the shop’s ordinary stock to at least this */
                        readonly stock?: number;
                    };
                };
            };
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            /** @description Units that can be bought now; null while this is not known */
                            readonly available: number | null;
                            /** @description Plain text */
                            readonly description?: string;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly end_time: string;
                            readonly id: number;
                            /** @description A picture of the product, with https */
                            readonly image_url?: string;
                            readonly name: string;
                            /**
                             * @description At most two decimals
                             * @example 19.99
                             */
                            readonly price: number;
                            /** @description Units of the sale */
                            readonly seckill_stock: number;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly start_time: string;
                            /** @enum {unknown} */
                            readonly status: "not_ready" | "scheduled" | "open" | "paused" | "sold_out" | "ended";
                            /** @description The ordinary stock of the shop; the sale does not change it */
                            readonly stock: number;
                            /** @description Maximum units of one order */
                            readonly units_per_shopper: number;
                            /** @description If the sale has one: only called shoppers can buy */
                            readonly waiting_room?: {
                                /** @description People called per second at most; null: no limit of its own */
                                readonly admit_per_second: number | null;
                                /** @description SHA-256 of the seed, hex: public from the creation of the sale on */
                                readonly commitment: string;
                                /** @description Shoppers may join from then on */
                                readonly opens_at: string;
                                /** @description 32 bytes, hex; public from the start on, when the early places are fixed */
                                readonly seed?: string;
                            };
                        };
                    };
                };
            };
        };
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/shoppers/{userId}/erase": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Erase the identity of a shopper
         * @description Replaces the user id with a pseudonym; orders and sums stay. Refused while an order is unpaid, while it is live and its sale has not been over for 24 hours, or while its unit or its money is being returned.
         */
        readonly post: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path: {
                    /**
                     * @description 1 to 255 visible ASCII characters
                     * @example alice
                     */
                    readonly userId: string;
                };
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            /** @description Number of orders that got the pseudonym */
                            readonly orders: number;
                            readonly pseudonym: string;
                        };
                    };
                };
            };
        };
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/shoppers/{userId}/export": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Export the data of a shopper
         * @description The orders in the ledger, newest first, each with its history and its payments.
         */
        readonly get: {
            readonly parameters: {
                readonly query?: {
                    readonly cursor?: string;
                    /** @description Rows per page, 20 by default */
                    readonly limit?: number;
                };
                readonly header?: never;
                readonly path: {
                    /**
                     * @description 1 to 255 visible ASCII characters
                     * @example alice
                     */
                    readonly userId: string;
                };
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            /** @description The `cursor` of the next page; null on the last page */
                            readonly next_cursor: string | null;
                            readonly orders: readonly {
                                /**
                                 * @description ISO-8601, UTC
                                 * @example 2026-11-27T20:00:00.000Z
                                 */
                                readonly closed_at?: string;
                                /**
                                 * @description ISO-8601, UTC
                                 * @example 2026-11-27T20:00:00.000Z
                                 */
                                readonly created_at: string;
                                /** @description The end of the time to pay */
                                readonly expires_at?: string;
                                readonly history: readonly {
                                    /** @description Who moved it */
                                    readonly actor: string;
                                    readonly from_status: string;
                                    readonly reason: string | null;
                                    /**
                                     * @description ISO-8601, UTC
                                     * @example 2026-11-27T20:00:00.000Z
                                     */
                                    readonly time: string;
                                    readonly to_status: string;
                                }[];
                                readonly order_no: string;
                                /**
                                 * @description ISO-8601, UTC
                                 * @example 2026-11-27T20:00:00.000Z
                                 */
                                readonly paid_at?: string;
                                readonly payments: readonly {
                                    /**
                                     * @description At most two decimals
                                     * @example 19.99
                                     */
                                    readonly amount: number;
                                    /**
                                     * @description ISO-8601, UTC
                                     * @example 2026-11-27T20:00:00.000Z
                                     */
                                    readonly created_at: string;
                                    readonly currency: string;
                                    /** @description Why the last call to the provider failed */
                                    readonly last_error: string | null;
                                    /** @description A remark about the money, such as a wrong amount */
                                    readonly note: string | null;
                                    readonly payment_id: string;
                                    readonly provider: string;
                                    readonly provider_ref: string | null;
                                    /** @enum {unknown} */
                                    readonly status: "started" | "declined" | "succeeded" | "refund_pending" | "refunded";
                                    /**
                                     * @description ISO-8601, UTC
                                     * @example 2026-11-27T20:00:00.000Z
                                     */
                                    readonly updated_at: string;
                                }[];
                                /**
                                 * @description At most two decimals
                                 * @example 19.99
                                 */
                                readonly price: number;
                                readonly product_id: number;
                                /** @description Units */
                                readonly quantity: number;
                                /** @description Why the order failed */
                                readonly reason?: string;
                                /** @enum {unknown} */
                                readonly status: "queued" | "pending_payment" | "paid" | "refunded" | "cancelled" | "expired" | "failed";
                                /** @description `price` times `quantity`: what the shopper pays */
                                readonly total: number;
                                readonly user_id: string;
                            }[];
                            readonly user_id: string;
                        };
                    };
                };
            };
        };
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/admin/token-secrets/rotate": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Rotate the secret of seckill tokens
         * @description Every api process signs with the new secret within two seconds. Tokens of the old secret are accepted until they expire and for ten minutes more, so that a late retry finds its order. The answer is `invalid_state` if the secrets come from `TOKEN_SECRETS`.
         */
        readonly post: {
            readonly parameters: {
                readonly query?: never;
                readonly header?: never;
                readonly path?: never;
                readonly cookie?: never;
            };
            readonly requestBody?: never;
            readonly responses: {
                /** @description Default Response */
                readonly 200: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            /** @description The prefix of tokens of the new secret */
                            readonly key_id: string;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly previous_until: string;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly signs_from: string;
                        };
                    };
                };
            };
        };
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        readonly Figures: {
            /** @description Sales that are not live any more */
            readonly gone: readonly number[];
            /** @description Whether MySQL answers */
            readonly mysql: boolean;
            readonly processes: readonly {
                readonly busy: number;
                readonly cpu: number;
                readonly host: string;
                /** @enum {unknown} */
                readonly kind: "api" | "worker";
                readonly memory_bytes: number;
                readonly name: string;
                readonly pid: number;
                /**
                 * @description ISO-8601, UTC
                 * @example 2026-11-27T20:00:00.000Z
                 */
                readonly started_at: string;
            }[] | null;
            /** @description Whether Redis answers */
            readonly redis: boolean;
            readonly sales: readonly ({
                readonly id: number;
            } & {
                /** @description Null while the server that has it does not answer */
                readonly accepted?: number | null;
                readonly available?: number | null;
                /** @description Orders that are accepted and not yet in the ledger. Null while the server that has it does not answer */
                readonly backlog?: number | null;
                /** @description People called so far. Null while the server that has it does not answer */
                readonly called?: number | null;
                /** @description Null while the server that has it does not answer */
                readonly cancelled?: number | null;
                /**
                 * @description ISO-8601, UTC
                 * @example 2026-11-27T20:00:00.000Z
                 */
                readonly end_time?: string;
                /** @description Null while the server that has it does not answer */
                readonly expired?: number | null;
                /** @description Null while the server that has it does not answer */
                readonly failed?: number | null;
                /** @description `available` + `held` - `units` at one instant. Anything but 0 breaks the promise of conservation */
                readonly gap?: number | null;
                /** @description Null while the server that has it does not answer */
                readonly held?: number | null;
                /** @description People who are called, have not bought, and whose pass has not ended. Null while the server that has it does not answer */
                readonly inside?: number | null;
                readonly name?: string;
                /** @description The age of the oldest of them. Null while the server that has it does not answer */
                readonly oldest_ms?: number | null;
                /** @description Null while the server that has it does not answer */
                readonly paid?: number | null;
                /** @description Null while the server that has it does not answer */
                readonly refunded?: number | null;
                /** @description Refused buys by code */
                readonly refused?: {
                    readonly [key: string]: number;
                } | null;
                /** @description Null while the server that has it does not answer */
                readonly replayed?: number | null;
                /**
                 * @description ISO-8601, UTC
                 * @example 2026-11-27T20:00:00.000Z
                 */
                readonly start_time?: string;
                /** @enum {unknown} */
                readonly status?: "not_ready" | "scheduled" | "open" | "paused" | "sold_out" | "ended";
                readonly units?: number;
                /** @description People in the waiting room who are not called; null without one. Null while the server that has it does not answer */
                readonly waiting?: number | null;
                /** @description Null while the server that has it does not answer */
                readonly written?: number | null;
            })[];
            readonly shards: readonly {
                /** @description Sales that are live but not in the stream, since there are too many */
                readonly hidden_sales: number;
                /** @description Waiting jobs by state */
                readonly jobs: {
                    readonly [key: string]: number;
                } | null;
                /** @description Null while the server that has it does not answer */
                readonly oldest_ms: number | null;
                readonly shard: number;
            }[];
            /**
             * @description ISO-8601, UTC
             * @example 2026-11-27T20:00:00.000Z
             */
            readonly time: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
