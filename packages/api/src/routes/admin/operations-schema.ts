import Type from 'typebox';
import { Cursor, Limit, mayRefuse, NextCursor, ProductId, Time } from '../fields.ts';
import { Product } from '../products/schema.ts';

const UNITS_MAX = 10_000_000;
const STOCK_MAX = 1_000_000_000;

const operators = { tags: ['operators'], security: [{ operatorToken: [] }] };
const Count = Type.Integer({ minimum: 0 });
const CountOrNull = Type.Union([Count, Type.Null()], { description: 'Null while Redis cannot be asked' });
const TextOrNull = Type.Union([Type.String(), Type.Null()]);
const page = Type.Object({ limit: Limit, cursor: Cursor }, { additionalProperties: false });

/** A call that does something to one sale, under its lease. */
const ofSale = {
  ...operators,
  params: Type.Object({ id: ProductId }),
  ...mayRefuse('ended', 'overloaded'),
};

export const ListSales = {
  ...operators,
  summary: 'Sales with their live figures, newest first',
  description: 'Units and reservations of a sale are of one instant. `available` + `owners` = `seckill_stock`.',
  querystring: page,
  response: {
    200: Type.Object({
      items: Type.Array(
        Type.Object({
          ...Product.properties,
          shard: Count,
          owners: CountOrNull,
          backlog: Type.Union([Count, Type.Null()], { description: 'Orders that the ledger does not have yet' }),
          sold: Type.Integer({ minimum: 0, description: 'Live orders of the ledger' }),
        }),
      ),
      next_cursor: NextCursor,
    }),
  },
};

export const EndSale = {
  ...ofSale,
  summary: 'End a sale now, for good',
  description:
    'By Redis’s clock: what was admitted before stands, every buy after it is answered `ended`. A sale that is over stays as it is.',
  response: { 200: Product },
};

export const TopUpSale = {
  ...ofSale,
  summary: 'Raise the units of a sale',
  description: 'To so many units in all, so that a repeat changes nothing. Buyers get `not_ready` for one commit.',
  body: Type.Object(
    {
      seckill_stock: Type.Integer({
        minimum: 1,
        maximum: UNITS_MAX,
        description: 'Units in all; not fewer than now, and not more than `stock`',
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
  summary: 'Load a sale into Redis anew',
  description: 'From the ledger and the surviving reservations. Buyers get `not_ready` meanwhile.',
  response: { 200: Type.Object({ ...Product.properties, owners: Count }) },
};

const Audit = Type.Object(
  {
    sale_id: ProductId,
    verdict: Type.Enum(['clean', 'drift', 'late', 'skipped'], {
      description: '`skipped`: the sale is not ready; rebuild first',
    }),
    units: Count,
    available: Type.Integer(),
    owners: Count,
    reservations: Count,
    live_orders: Count,
    sold: Count,
    unapplied_returns: Count,
    findings: Type.Array(Type.String(), { description: 'One sentence each; empty where clean' }),
  },
  { title: 'Audit' },
);

export const AuditSale = {
  ...ofSale,
  summary: 'Compare a sale in Redis with the ledger, entry by entry',
  description: 'Holds the sale’s lease meanwhile: shoppers buy on, and their orders are written afterwards.',
  response: { 200: Audit },
};

export const RepairSale = {
  ...ofSale,
  summary: 'Audit a sale, and mend it where it drifts',
  description: 'The orders of the ledger are right: `sold` is counted again, and Redis rebuilt from them.',
  response: {
    200: Type.Object({ ...Audit.properties, repaired: Type.Boolean({ description: 'Whether there was a drift' }) }),
  },
};

export const ListJobs = {
  ...operators,
  summary: 'Order jobs that wait, and why',
  description: 'Those that failed before come first, with the error of their last attempt.',
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
          orders: Type.Integer({ description: 'Order numbers in the job' }),
          attempts: Type.Integer({ description: 'Attempts that failed' }),
          error: TextOrNull,
          added_at: Time,
        }),
      ),
    }),
  },
};

export const RotateTokenSecret = {
  ...operators,
  summary: 'Rotate the secret of seckill tokens',
  description:
    'The new secret signs in every api process within two seconds; tokens of the one before are taken until they expire, and ten minutes ' +
    'more, so that a late retry finds its order. Refused with `invalid_state` where `TOKEN_SECRETS` gives the secrets.',
  ...mayRefuse('invalid_state'),
  response: {
    200: Type.Object({
      key_id: Type.String({ description: 'What tokens of the new secret begin with' }),
      signs_from: Time,
      previous_until: Time,
    }),
  },
};
