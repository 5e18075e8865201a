import Type, { type Static } from 'typebox';
import type { CounterChange, SaleTotal } from '@flash-sale/shared/sale/sale-counters-table.ts';
import { priceOfCents } from '@flash-sale/shared/platform/money.ts';
import { isoOf, ProductId } from '../fields.ts';

const KEPT = 'outcome:';
const Count = Type.Integer({ minimum: 0 });
const Latency = Type.Union([Type.Integer(), Type.Null()]);

export const Stats = Type.Object(
  {
    product_id: ProductId,
    currency: Type.String({ description: 'ISO 4217, of `revenue`' }),
    requests: Type.Record(Type.String(), Count, { description: 'Buys by outcome' }),
    accepted: Type.Integer({ description: 'Accepted orders: those in the ledger and those still waiting for it' }),
    written: Type.Integer({ minimum: 0, description: 'Orders in the ledger that did not fail' }),
    sold: Type.Integer({ minimum: 0, description: 'Units of live orders in the ledger' }),
    paid: Count,
    cancelled: Count,
    expired: Count,
    refunded: Count,
    failed: Count,
    revenue: Type.Number({ description: 'Payments minus refunds' }),
    row_after_ms: Type.Object(
      { p50: Latency, p99: Latency },
      { description: 'Time from the admission of an order to its row in the ledger' },
    ),
    orders_per_second: Type.Array(Type.Object({ time: Type.String(), orders: Count }), {
      description: 'Accepted orders for each second that has any',
    }),
  },
  { title: 'Stats' },
);

/** A sale's statistics from its counters. `backlog`: reservations that are not in the ledger. */
export function statsOf(
  productId: number,
  sums: {
    readonly currency: string;
    readonly outcomes: Record<string, number>;
    readonly backlog: number;
    readonly sold: number;
    readonly counters: readonly CounterChange[];
  },
): Static<typeof Stats> {
  const { currency, outcomes, backlog, sold, counters } = sums;
  const total = (name: SaleTotal): number => counters.find((counter) => counter.name === name)?.value ?? 0;
  const written = total('pending_payment');
  const failed = total('failed');
  const latencies = counters.filter(({ name }) => name === 'row_after_ms');
  return {
    product_id: productId,
    currency,
    requests: { ...keptOutcomes(counters), ...outcomes },
    accepted: written + failed + backlog,
    written,
    sold,
    paid: total('paid'),
    cancelled: total('cancelled'),
    expired: total('expired'),
    refunded: total('refunded'),
    failed,
    revenue: priceOfCents(total('revenue_cents') - total('refunded_cents')),
    row_after_ms: { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) },
    orders_per_second: counters
      .filter(({ name }) => name === 'accepted_at')
      .map(({ bucket, value }) => ({ time: isoOf(bucket * 1_000), orders: value })),
  };
}

function keptOutcomes(counters: readonly CounterChange[]): Record<string, number> {
  const kept = counters.filter(({ name }) => name.startsWith(KEPT));
  return Object.fromEntries(kept.map(({ name, value }) => [name.slice(KEPT.length), value]));
}

/**
 * The upper bound of the bucket that contains the share; null without any. Buckets must be in
 * order.
 */
function percentile(buckets: readonly CounterChange[], share: number): number | null {
  const all = buckets.reduce((sum, { value }) => sum + value, 0);
  let seen = 0;
  for (const { bucket, value } of buckets) {
    seen += value;
    if (seen >= share * all) return bucket;
  }
  return null;
}
