import { listOf, matching } from '../formats.ts';
import { count, secret, pair, optional } from '../setting-kinds.ts';

/** Settings of seckill tokens, limits and load shedding. */
export const limitSettings = {
  TOKEN_SECRETS: optional(
    secret(
      'Secrets of seckill tokens, separated by commas: the first signs, all verify. Set it to rotate them yourself. Default: one that is made once and kept in MySQL',
      {
        read: listOf(matching(/^[^\s,]{16,}$/)),
        wanted: 'secrets of at least 16 characters without blanks, separated by commas',
        example: 'the output of: openssl rand -hex 32',
      },
    ),
  ),
  TOKEN_TTL_SECONDS: count(
    'How long a seckill token is valid, s. Raise it if shoppers take theirs long before the sale starts',
    300,
    1,
    86_400,
  ),
  RATE_LIMIT_GLOBAL_CAPACITY: count(
    'Buys of all shoppers that may arrive at once. Raise it with what your servers can take',
    10_000,
    1,
    10_000_000,
  ),
  RATE_LIMIT_GLOBAL_PER_SECOND: count(
    'Buys of all shoppers per second, after a burst of `RATE_LIMIT_GLOBAL_CAPACITY`. Raise it with what your servers can take',
    1_000,
    1,
    1_000_000,
  ),
  RATE_LIMIT_USER_CAPACITY: count(
    'Buys of one shopper that may arrive at once. Raise it if honest shoppers see 429',
    5,
    1,
    1_000_000,
  ),
  RATE_LIMIT_USER_PER_SECOND: count(
    'Buys of one shopper per second, after a burst of `RATE_LIMIT_USER_CAPACITY`. Raise it if honest shoppers see 429',
    5,
    1,
    1_000_000,
  ),
  RATE_LIMIT_IP: pair(
    '`rate/burst`: calls of one address per second, and how many may arrive at once, per api process: seckill tokens, challenges, logins, products, wrong access tokens. Raise it if many shoppers share an address; outside production this machine has no limit',
    { default: '200/2000', first: [1, 1_000_000], second: [1, 1_000_000] },
  ),
  RATE_LIMIT_LEDGER: pair(
    '`rate/burst`: calls of one shopper per second that read or write MySQL, and how many may arrive at once, per api process: lists of orders, payments, cancellations, polls of orders that Redis does not keep. Raise it if honest shoppers see 429',
    { default: '5/50', first: [1, 1_000_000], second: [1, 1_000_000] },
  ),
  TOKENS_PER_UNIT: count(
    'Live seckill tokens that a sale may have for each unit; 0: no limit. Set it to issue no more tokens when enough shoppers have one',
    0,
    0,
    1_000,
  ),
  PASS_SECONDS: count(
    'How long a called shopper of a waiting room has to take a seckill token before others are called instead, s. Raise it if shoppers come back too late',
    120,
    1,
    3_600,
  ),
  PASSES_PER_UNIT: count(
    'Called shoppers of a waiting room for each free unit who may be inside at once. Raise it if many do not buy; with 1, each called shopper has a free unit',
    2,
    1,
    100,
  ),
  CHALLENGE_BITS: count(
    'Work before a seckill token, as the power of two of hashes; 4 or more, 0: none. Set 16 or more against bots',
    0,
    0,
    32,
  ),
  BACKLOG_MAX: count(
    'Orders of a sale that wait to be written; more buys are shed. Lower it if shoppers wait too long for their orders or Redis is short of memory',
    200_000,
    1,
    10_000_000,
  ),
  EVENT_LOOP_DELAY_MAX_MS: count(
    'Delay of the event loop from which an api process sheds seckill tokens and buys, ms. Raise it on a slow machine if buys are shed too early',
    250,
    10,
    60_000,
  ),
};
