// Written by `npm run docs` from the OpenAPI document of the api's routes.

export interface paths {
    readonly "/api/v1/dev/session": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Log in as any shopper
         * @description For development only. It does not exist in production, or if another service signs the access tokens.
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
                         * @description 1 to 255 visible ASCII characters
                         * @example alice
                         */
                        readonly user_id: string;
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
                            readonly access_token: string;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly expires_at: string;
                            /** @enum {string} */
                            readonly token_type: "Bearer";
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
    readonly "/api/v1/orders": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * My orders, newest first
         * @description The list has the orders that are in the ledger. Read a `queued` order by its number.
         */
        readonly get: {
            readonly parameters: {
                readonly query?: {
                    readonly cursor?: string;
                    /** @description Rows per page, 20 by default */
                    readonly limit?: number;
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
    readonly "/api/v1/orders/{orderNo}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * An order
         * @description While the order is `queued`, the answer has a `Retry-After` header. With `wait`, the answer comes when the order is no longer `queued`, or when the wait is over.
         */
        readonly get: {
            readonly parameters: {
                readonly query?: {
                    /**
                     * @description 1 to 255 visible ASCII characters
                     * @example alice
                     */
                    readonly user_id?: string;
                    /** @description Seconds to wait while the order is `queued` */
                    readonly wait?: number;
                };
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
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/orders/{orderNo}/cancel": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Cancel an unpaid order
         * @description The units go back on sale, and the shopper can buy again. A repeated call returns the same answer.
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
            readonly requestBody: {
                readonly content: {
                    readonly "application/json": {
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
    readonly "/api/v1/orders/{orderNo}/pay": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Pay an order
         * @description Returns the next step for the shopper. A repeated call returns the same step while that payment is open, and `none` when the order is paid.
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
            readonly requestBody: {
                readonly content: {
                    readonly "application/json": {
                        /**
                         * @description How the sandbox behaves; other providers ignore it
                         * @enum {unknown}
                         */
                        readonly sandbox?: "pay" | "decline" | "late" | "twice" | "out_of_order" | "never";
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
                            /**
                             * @description At most two decimals
                             * @example 19.99
                             */
                            readonly amount: number;
                            readonly currency: string;
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly expires_at?: string;
                            readonly next: {
                                /** @enum {string} */
                                readonly action: "redirect";
                                readonly url: string;
                            } | {
                                /** @enum {string} */
                                readonly action: "none";
                            };
                            readonly payment_id: string;
                            readonly provider: string;
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
    readonly "/api/v1/products": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Sales, newest first */
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
    readonly "/api/v1/products/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** A sale with its live status and free units */
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
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/v1/seckill/buy": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Buy
         * @description The order gets all units that the call asks for, or none: if fewer are left, the answer is `sold_out` with their number in `available`. If the shopper already has an order, a repeated call returns its number and its quantity, even after the last unit is sold.
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
                        readonly product_id: number;
                        /** @description Units, 1 by default; at most `units_per_shopper` of the product */
                        readonly quantity?: number;
                        readonly token: string;
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
                readonly 202: {
                    headers: {
                        readonly [name: string]: unknown;
                    };
                    content: {
                        readonly "application/json": {
                            readonly order_no: string;
                            /** @description Units of the order */
                            readonly quantity: number;
                            /** @description True if the order comes from an earlier buy */
                            readonly replayed?: boolean;
                            /** @enum {unknown} */
                            readonly status: "queued" | "pending_payment" | "paid" | "refunded" | "cancelled" | "expired" | "failed";
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
    readonly "/api/v1/seckill/challenge": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Get a challenge to solve for a seckill token
         * @description An ALTCHA challenge (protocol 2) for one shopper and one sale. Its solution can be used for one seckill token.
         */
        readonly get: {
            readonly parameters: {
                readonly query: {
                    readonly product_id: number;
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
                            /** @description The challenge */
                            readonly parameters: {
                                readonly [key: string]: unknown;
                            };
                            readonly signature: string;
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
    readonly "/api/v1/seckill/queue": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * My place in the waiting room
         * @description With `wait`, the answer comes when the status is no longer `seen`, or when the wait is over. Without a new status, ask again after `Retry-After`.
         */
        readonly get: {
            readonly parameters: {
                readonly query: {
                    readonly product_id: number;
                    /** @description The status that the caller knows; `waiting` by default */
                    readonly seen?: "waiting" | "called" | "sold_out" | "ended";
                    /** @description From joining the waiting room; keep it until the sale ends */
                    readonly ticket: string;
                    /**
                     * @description 1 to 255 visible ASCII characters
                     * @example alice
                     */
                    readonly user_id?: string;
                    /** @description Seconds to wait for a new status */
                    readonly wait?: number;
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
                            /** @description While `waiting`: people ahead; null before the start, when all are equal */
                            readonly ahead?: number | null;
                            /**
                             * @description While `called`: others are called instead after it. A called shopper may still buy later, while units last
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly called_until?: string;
                            /** @description While `waiting`: by the calls of the last minute; null if there were none */
                            readonly estimated_wait_seconds?: number | null;
                            /** @description The smaller comes first. Below 1: drawn for those who joined before the start; null until then. From 1 on: by arrival */
                            readonly place: number | null;
                            /**
                             * @description `called`: take a seckill token with the ticket and buy. `sold_out`: no unit is free now; the place is kept
                             * @enum {unknown}
                             */
                            readonly status: "waiting" | "called" | "sold_out" | "ended";
                            /** @description If `sold_out`: some orders are not final, so units may come back */
                            readonly units_may_return?: boolean;
                        };
                    };
                };
            };
        };
        readonly put?: never;
        /**
         * Join the waiting room of a sale
         * @description For a sale with a `waiting_room`. Before the start all are equal, however often and whenever they join. From the start on the line is by arrival, behind all of those. A shopper who missed the answer gets the same place by joining again within a minute, and later a new place at the end of the line.
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
                        readonly product_id: number;
                        /** @description The solution of a challenge, if one is required: the payload of the ALTCHA widget */
                        readonly solution?: string;
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
                            /** @description While `waiting`: people ahead; null before the start, when all are equal */
                            readonly ahead?: number | null;
                            /**
                             * @description While `called`: others are called instead after it. A called shopper may still buy later, while units last
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly called_until?: string;
                            /** @description While `waiting`: by the calls of the last minute; null if there were none */
                            readonly estimated_wait_seconds?: number | null;
                            /** @description The smaller comes first. Below 1: drawn for those who joined before the start; null until then. From 1 on: by arrival */
                            readonly place: number | null;
                            /**
                             * @description `called`: take a seckill token with the ticket and buy. `sold_out`: no unit is free now; the place is kept
                             * @enum {unknown}
                             */
                            readonly status: "waiting" | "called" | "sold_out" | "ended";
                            /** @description From joining the waiting room; keep it until the sale ends */
                            readonly ticket: string;
                            /** @description If `sold_out`: some orders are not final, so units may come back */
                            readonly units_may_return?: boolean;
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
    readonly "/api/v1/seckill/token": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Get a seckill token
         * @description A shopper has one token for each sale, and can get it before the start. A repeated call returns the same token until it expires.
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
                        readonly product_id: number;
                        /** @description The solution of a challenge, if one is required: the payload of the ALTCHA widget */
                        readonly solution?: string;
                        /** @description Required if the sale has a waiting room: the ticket of a called shopper, in place of a solution */
                        readonly ticket?: string;
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
                            /**
                             * @description ISO-8601, UTC
                             * @example 2026-11-27T20:00:00.000Z
                             */
                            readonly expires_at: string;
                            readonly token: string;
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
        readonly Problem: {
            readonly available?: number;
            /** @enum {unknown} */
            readonly code: "invalid_request" | "unauthenticated" | "token_invalid" | "not_called" | "ticket_invalid" | "forbidden" | "challenge_required" | "not_found" | "method_not_allowed" | "not_started" | "ended" | "paused" | "sold_out" | "tokens_exhausted" | "invalid_state" | "payload_too_large" | "unsupported_media_type" | "rate_limited" | "overloaded" | "not_ready" | "unavailable" | "internal";
            readonly detail?: string;
            readonly request_id: string;
            readonly status: number;
            readonly title: string;
            readonly type: string;
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
