import Type from 'typebox';
import { IdCursor, ProductIdInPath, Limit, mayRefuse, NextCursor, OPERATOR_CALL, ProductId, Time } from '../fields.ts';
import { Product } from '../sale/schema.ts';

const UNITS_MAX = 10_000_000;
const STOCK_MAX = 1_000_000_000;

const Count = Type.Integer({ minimum: 0 });
const CountOrNull = Type.Union([Count, Type.Null()], { description: 'Null while Redis does not answer' });
const TextOrNull = Type.Union([Type.String(), Type.Null()]);
const page = Type.Object({ limit: Limit, cursor: IdCursor }, { additionalProperties: false });

/** A call on one sale, under its lease. */
const ofSale = {
  ...OPERATOR_CALL,
  params: ProductIdInPath,
  ...mayRefuse('ended', 'overloaded'),
};

export const ListSales = {
  ...OPERATOR_CALL,
  summary: 'Sales with their live figures, newest first',
  description:
    'The units and the reservations of a sale are read at the same instant, so `available` + `held` = `seckill_stock`.',
  querystring: page,
  response: {
    200: Type.Object({
      items: Type.Array(
        Type.Object({
          ...Product.properties,
          shard: Count,
          held: CountOrNull,
          backlog: Type.Union([Count, Type.Null()], { description: 'Orders that the ledger does not have yet' }),
          sold: Type.Integer({ minimum: 0, description: 'Units of live orders in the ledger' }),
        }),
      ),
      next_cursor: NextCursor,
    }),
  },
};

export const EndSale = {
  ...ofSale,
  summary: 'End a sale now; this is final',
  description:
    'The end goes by the clock of Redis. Orders admitted before it stay valid; every later buy is answered `ended`. A sale that is already over does not change.',
  response: { 200: Product },
};

export const TopUpSale = {
  ...ofSale,
  summary: 'Raise the units of a sale',
  description:
    'The number is the new total, so a repeated call changes nothing. Buyers get `not_ready` for the time of one commit.',
  body: Type.Object(
    {
      seckill_stock: Type.Integer({
        minimum: 1,
        maximum: UNITS_MAX,
        description: 'The new total of units: at least the current one, and at most `stock`',
      }),
      stock: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: STOCK_MAX,
          description: 'Raises the shop’s ordinary stock to at least this',
        }),
      ),
    },
    { additionalProperties: false },
  ),
  response: { 200: Product },
};

export const RebuildSale = {
  ...ofSale,
  summary: 'Rebuild a sale in Redis',
  description:
    'The sale is rebuilt from the ledger and from the reservations that Redis still has. Buyers get `not_ready` until it is done.',
  response: { 200: Type.Object({ ...Product.properties, held: Count }) },
};

const Audit = Type.Object(
  {
    sale_id: ProductId,
    verdict: Type.Enum(['clean', 'drift', 'late', 'skipped'], {
      description: '`skipped`: the sale is not ready. Rebuild it first',
    }),
    units: Count,
    available: Type.Integer(),
    held: Count,
    reservations: Count,
    live_orders: Count,
    sold: Count,
    unapplied_returns: Count,
    findings: Type.Array(Type.String(), { description: 'One sentence for each finding; empty if the sale is clean' }),
  },
  { title: 'Audit' },
);

export const AuditSale = {
  ...ofSale,
  summary: 'Compare a sale in Redis with the ledger, entry by entry',
  description:
    'The audit holds the lease of the sale. Shoppers can buy during the audit; their orders are written after it.',
  response: { 200: Audit },
};

export const RepairSale = {
  ...ofSale,
  summary: 'Audit a sale, and repair it if it differs from the ledger',
  description:
    'The orders in the ledger are taken as correct: `sold` is counted again, and Redis is rebuilt from them.',
  response: {
    200: Type.Object({
      ...Audit.properties,
      repaired: Type.Boolean({ description: 'True if a difference was found' }),
    }),
  },
};

export const ListJobs = {
  ...OPERATOR_CALL,
  summary: 'Waiting order jobs with their errors',
  description: 'Jobs that failed before come first, with the error of the last attempt.',
  querystring: Type.Object({ limit: Limit }, { additionalProperties: false }),
  response: {
    200: Type.Object({
      counts: Type.Object({ active: Count, waiting: Count, delayed: Count }),
      items: Type.Array(
        Type.Object({
          job_id: Type.String(),
          state: Type.Enum(['active', 'waiting', 'delayed']),
          shard: Count,
          sale_id: ProductId,
          orders: Type.Union([Type.Integer(), Type.Null()], {
            description: 'Orders of the batch; null if the relay added the job',
          }),
          attempts: Type.Integer({ description: 'Attempts that failed' }),
          error: TextOrNull,
          added_at: Time,
        }),
      ),
    }),
  },
};

export const RotateTokenSecret = {
  ...OPERATOR_CALL,
  summary: 'Rotate the secret of seckill tokens',
  description:
    'Every api process signs with the new secret within two seconds. Tokens of the old secret are accepted until they expire and for ten ' +
    'minutes more, so that a late retry finds its order. The answer is `invalid_state` if the secrets come from `TOKEN_SECRETS`.',
  ...mayRefuse('invalid_state'),
  response: {
    200: Type.Object({
      key_id: Type.String({ description: 'The prefix of tokens of the new secret' }),
      signs_from: Time,
      previous_until: Time,
    }),
  },
};
