import Type, { type Static } from 'typebox';
import { SALE_STATUSES } from '@flash-sale/shared/sale/sale.ts';
import { ProductId, Time } from '../fields.ts';

const Count = Type.Integer({ minimum: 0 });
const AWAY = 'Null while the server that has it does not answer';
const known = (what: string) => Type.Union([Count, Type.Null()], { description: `${what}. ${AWAY}` });
const Known = Type.Union([Count, Type.Null()], { description: AWAY });

const SaleFigures = Type.Object({
  id: ProductId,
  name: Type.String(),
  status: Type.Enum([...SALE_STATUSES]),
  start_time: Time,
  end_time: Time,
  units: Count,
  available: Type.Union([Type.Integer(), Type.Null()]),
  held: Known,
  gap: Type.Union([Type.Integer(), Type.Null()], {
    description: '`available` + `held` - `units` at one instant. Anything but 0 breaks the promise of conservation',
  }),
  backlog: known('Orders that are accepted and not yet in the ledger'),
  oldest_ms: known('The age of the oldest of them'),
  waiting: known('People in the waiting room who are not called; null without one'),
  inside: known('People who are called, have not bought, and whose pass has not ended'),
  called: known('People called so far'),
  accepted: Known,
  replayed: Known,
  refused: Type.Union([Type.Record(Type.String(), Count), Type.Null()], { description: 'Refused buys by code' }),
  written: Known,
  failed: Known,
  paid: Known,
  cancelled: Known,
  expired: Known,
  refunded: Known,
});

const ShardFigures = Type.Object({
  shard: Count,
  hidden_sales: Type.Integer({
    minimum: 0,
    description: 'Sales that are live but not in the stream, since there are too many',
  }),
  oldest_ms: Known,
  jobs: Type.Union([Type.Record(Type.String(), Count), Type.Null()], { description: 'Waiting jobs by state' }),
});

const ProcessFigures = Type.Object({
  name: Type.String(),
  kind: Type.Enum(['api', 'worker']),
  host: Type.String(),
  pid: Type.Integer(),
  started_at: Time,
  cpu: Type.Number(),
  busy: Type.Number(),
  memory_bytes: Count,
});

const { id, ...figures } = SaleFigures.properties;

/** A reading as a stream sends it: of the sales, only what has changed since the one before. */
export const Figures = Type.Object({
  time: Time,
  redis: Type.Boolean({ description: 'Whether Redis answers' }),
  mysql: Type.Boolean({ description: 'Whether MySQL answers' }),
  sales: Type.Array(Type.Intersect([Type.Object({ id }), Type.Partial(Type.Object(figures))])),
  gone: Type.Array(ProductId, { description: 'Sales that are not live any more' }),
  shards: Type.Array(ShardFigures),
  processes: Type.Union([Type.Array(ProcessFigures), Type.Null()]),
});

/**
 * The figures of one sale. Totals only rise; their difference to an earlier reading gives a rate.
 */
export type SaleReading = Readonly<Static<typeof SaleFigures>>;
export type ShardReading = Readonly<Static<typeof ShardFigures>>;
export type ProcessReading = Readonly<Static<typeof ProcessFigures>>;
export type ReadingChange = Readonly<Static<typeof Figures>>;

/** All figures at one time. */
export interface Reading extends Pick<ReadingChange, 'time' | 'redis' | 'mysql' | 'shards' | 'processes'> {
  readonly sales: ReadonlyMap<number, SaleReading>;
}
