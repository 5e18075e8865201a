/** One row of the error table: what a client can rely on, and what it should do. */
interface ErrorRow {
  /** HTTP status. */
  readonly status: number;
  /** RFC 9457 `title`: the same for every occurrence. */
  readonly title: string;
  /** For `docs/errors.md`: when it happens, and what the client should do next. */
  readonly advice: string;
}

/**
 * Every error code of the API, in one place. The API renders a row as RFC 9457
 * `application/problem+json`; `docs/errors.md` is generated from this table.
 */
export const ERRORS = {
  invalid_request: {
    status: 400,
    title: 'The request is not valid',
    advice: 'A field is missing, malformed or out of bounds; `detail` names it. Correct the request.',
  },
  unauthenticated: {
    status: 401,
    title: 'Authentication is required',
    advice:
      'The call has no valid access token or operator token; `detail` says what is wrong with an access token. Authenticate, then repeat the call.',
  },
  token_invalid: {
    status: 403,
    title: 'The seckill token is not valid',
    advice:
      'The token is forged, expired, replaced, already used, or issued to another shopper or sale. Ask for a new seckill token.',
  },
  not_called: {
    status: 403,
    title: 'The shopper is not called yet',
    advice:
      'The sale has a waiting room: join it, and ask for a seckill token with the ticket once its place is called. `Retry-After` says when to look again.',
  },
  ticket_invalid: {
    status: 403,
    title: 'The ticket is not valid',
    advice: 'The ticket is forged, or it belongs to another shopper or sale. Join the waiting room to get one.',
  },
  forbidden: {
    status: 403,
    title: 'Not allowed',
    advice:
      'The caller is not allowed to do this: the `user_id` is another shopper’s, a viewer tries to change something, or the caller is denied. Do not repeat the call.',
  },
  challenge_required: {
    status: 403,
    title: 'A challenge must be solved first',
    advice:
      'Get a challenge from `GET /api/v1/seckill/challenge`, solve it, and send the `solution` when you ask for the seckill token.',
  },
  not_found: {
    status: 404,
    title: 'Not found',
    advice: 'The product, order or path does not exist, or it belongs to another shopper.',
  },
  method_not_allowed: {
    status: 405,
    title: 'Method not allowed',
    advice: 'The path exists, but not for this method; the `Allow` header lists the methods.',
  },
  not_started: {
    status: 409,
    title: 'The sale has not started',
    advice: 'Repeat the call at `start_time`.',
  },
  ended: {
    status: 409,
    title: 'The sale has ended',
    advice: 'This is final. Do not repeat the call.',
  },
  paused: {
    status: 409,
    title: 'The sale is paused',
    advice: 'An operator has paused the sale. Read the product, and buy again when its status is `open`.',
  },
  sold_out: {
    status: 409,
    title: 'Sold out',
    advice:
      'Fewer units are available now than the call asks for. After a buy, `available` says how many: buy at most that many. The units of an order that is closed without payment go back on sale.',
  },
  tokens_exhausted: {
    status: 409,
    title: 'No seckill tokens are left',
    advice: 'The sale has reached its limit of live seckill tokens. Ask again later.',
  },
  invalid_state: {
    status: 409,
    title: 'Not possible in this state',
    advice: 'The order, or the thing an operator wants to change, does not allow this now; `detail` says why.',
  },
  payload_too_large: {
    status: 413,
    title: 'The request body is too large',
    advice: 'Send a smaller body.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'Unsupported media type',
    advice: 'Send `application/json`.',
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    advice: 'The call had no effect. Wait for `Retry-After` seconds; `RateLimit-Policy` names the limit.',
  },
  overloaded: {
    status: 503,
    title: 'The service is overloaded',
    advice: 'The call was rejected before it had any effect. Repeat it after `Retry-After` seconds.',
  },
  not_ready: {
    status: 503,
    title: 'The sale is being prepared',
    advice:
      'The sale is being loaded into Redis or checked against the ledger. Repeat the call after `Retry-After` seconds.',
  },
  unavailable: {
    status: 503,
    title: 'The outcome is not known',
    advice: 'A server did not answer in time. Repeat the call: it returns the order if there is one.',
  },
  internal: {
    status: 500,
    title: 'Internal error',
    advice: 'The service has a fault. Its log has the error under the answer’s `request_id`.',
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** What a refusal adds to its row of the table. */
export interface RefusalOptions {
  /** One sentence about this occurrence, safe to show to the client. */
  readonly detail?: string;
  /** Seconds after which to repeat the call. 429 and 503 always have it. */
  readonly retryAfterS?: number;
  /** More response headers, such as `RateLimit-Policy`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** More members of the problem document. */
  readonly facts?: Readonly<Record<string, number>> | undefined;
  readonly cause?: unknown;
}

/** A refused call. Code below a route throws it; the API's error plugin renders it. */
export class Refusal extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly detail: string | undefined;
  readonly retryAfterS: number | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, options: RefusalOptions = {}) {
    const row = ERRORS[code];
    super(options.detail ?? row.title, { cause: options.cause });
    this.name = 'Refusal';
    this.code = code;
    this.status = row.status;
    this.detail = options.detail;
    this.retryAfterS = options.retryAfterS ?? (row.status === 429 || row.status === 503 ? 1 : undefined);
    this.headers = options.headers ?? {};
  }
}
