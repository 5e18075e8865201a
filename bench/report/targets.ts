/**
 * A figure relative to another one of the same repetition. Ratios can be compared between machines,
 * figures cannot.
 */
export interface Ratio {
  readonly of: string;
  readonly to: string;
  readonly what: string;
  /** It should be low. */
  readonly isCost?: true;
  /** The target, if one was promised: the least value of a rate, or the highest of a cost. */
  readonly target?: number;
}

/** A figure that is compared with nothing. */
export interface Limit {
  readonly of: string;
  readonly what: string;
  readonly unit: 'ms' | '/s';
  readonly isCost?: true;
  readonly target: number;
}

export const RATIOS: readonly Ratio[] = [
  { of: 'accept.per_second', to: 'bare.per_second', what: 'accepted, of bare', target: 0.55 },
  { of: 'sold_out.per_second', to: 'bare.per_second', what: 'refused when sold out, of bare', target: 0.8 },
  { of: 'end_to_end.per_second', to: 'bare.per_second', what: 'accepted and written, of bare', target: 0.37 },
  {
    of: 'end_to_end.per_second',
    to: 'usual_end_to_end.per_second',
    what: 'accepted and written, times usual',
    target: 9,
  },
  { of: 'tokens.per_second', to: 'bare.per_second', what: 'seckill tokens, of bare', target: 0.6 },
  { of: 'room.joins_per_second', to: 'bare.per_second', what: 'joins of a waiting room, of bare', target: 0.6 },
  { of: 'room.places_per_second', to: 'bare.per_second', what: 'places in a waiting room, of bare' },
  { of: 'drain.per_second', to: 'raw_insert.per_second', what: 'written, of raw INSERT', target: 0.6 },
  {
    of: 'tokens.api_us_per_token',
    to: 'bare.us_per_request',
    what: 'api CPU of a seckill token, of a bare request',
    isCost: true,
    target: 1.6,
  },
  {
    of: 'accept.api_us_per_buy',
    to: 'bare.us_per_request',
    what: 'api CPU of a buy, of a bare request',
    isCost: true,
    target: 1.4,
  },
  {
    of: 'sold_out.api_us_per_refusal',
    to: 'bare.us_per_request',
    what: 'api CPU of a refusal, of a bare request',
    isCost: true,
    target: 1.2,
  },
  {
    of: 'end_to_end.service_us_per_order',
    to: 'bare.us_per_request',
    what: 'CPU of all processes per order, of a bare request',
    isCost: true,
    target: 2.4,
  },
  {
    of: 'journey.service_us_per_shopper',
    to: 'bare.us_per_request',
    what: 'CPU of all processes per journey, of a bare request',
    isCost: true,
  },
  { of: 'accept.per_second', to: 'usual_accept.per_second', what: 'accepted, times usual' },
  { of: 'accept_jwt.per_second', to: 'accept.per_second', what: 'accepted with access tokens, of accepted' },
  { of: 'accept_two.per_second', to: 'accept.per_second', what: 'two api processes, of one' },
  { of: 'poll.per_second', to: 'bare.per_second', what: 'polls, of bare' },
  { of: 'products.per_second', to: 'bare.per_second', what: 'product reads, of bare' },
];

export const LIMITS: readonly Limit[] = [
  { of: 'journey.shoppers_per_second', what: 'whole journeys', unit: '/s', target: 6_000 },
  { of: 'half_load_buy.p99_ms', what: 'buy at half of what is sustained, p99', unit: 'ms', isCost: true, target: 25 },
  { of: 'half_load_row.p99_ms', what: '202 to row at the same rate, p99', unit: 'ms', isCost: true, target: 250 },
];
