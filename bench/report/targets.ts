/**
 * A figure relative to another one of the same repetition. Ratios can be compared between machines,
 * figures cannot.
 */
export interface Ratio {
  readonly of: string;
  readonly to: string;
  readonly what: string;
  /** The target, if one was promised. */
  readonly at_least?: number;
}

export interface Limit {
  readonly of: string;
  readonly what: string;
  readonly at_most: number;
}

export const RATIOS: readonly Ratio[] = [
  { of: 'accept.per_second', to: 'bare.per_second', what: 'accepted, of bare', at_least: 0.55 },
  { of: 'sold_out.per_second', to: 'bare.per_second', what: 'refused when sold out, of bare', at_least: 0.8 },
  { of: 'end_to_end.per_second', to: 'bare.per_second', what: 'accepted and written, of bare', at_least: 0.35 },
  {
    of: 'end_to_end.per_second',
    to: 'usual_end_to_end.per_second',
    what: 'accepted and written, times usual',
    at_least: 6,
  },
  { of: 'drain.per_second', to: 'raw_insert.per_second', what: 'written, of raw INSERT', at_least: 0.6 },
  { of: 'accept.per_second', to: 'usual_accept.per_second', what: 'accepted, times usual' },
  { of: 'accept_jwt.per_second', to: 'accept.per_second', what: 'accepted with access tokens, of accepted' },
  { of: 'accept_two.per_second', to: 'accept.per_second', what: 'two api processes, of one' },
  { of: 'poll.per_second', to: 'bare.per_second', what: 'polls, of bare' },
  { of: 'products.per_second', to: 'bare.per_second', what: 'product reads, of bare' },
];

export const LIMITS: readonly Limit[] = [
  { of: 'open_loop_buy.p99_ms', what: 'buy at half of the rate of accept, p99', at_most: 25 },
  { of: 'open_loop_row.p99_ms', what: '202 to row at the same rate, p99', at_most: 250 },
];
