import { onTestFinished } from 'vitest';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import type { Sale, SaleRef } from '@flash-sale/shared/sale/sale.ts';
import type { HeldReservation } from '@flash-sale/shared/admission/batch.ts';
import { acquireLease, type Lease } from '@flash-sale/shared/sale/lease.ts';
import { createMetrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import type { TestContext } from '@flash-sale/shared/testing/support.ts';
import { LedgerWriter } from '../../src/order-writer/ledger-writer.ts';

async function holdLease(context: TestContext, sale: SaleRef): Promise<Lease> {
  const lease = await acquireLease(context.commands, sale, 5_000);
  if (lease === undefined) throw new Error('the lease is held elsewhere');
  onTestFinished(() => lease.release());
  return lease;
}

/** A writer under a lease of its own, with metrics of its own. */
export async function writerOf(context: TestContext, db: Db, sale: SaleRef) {
  const lease = await holdLease(context, sale);
  const metrics = createMetrics('worker');
  const retries = async (): Promise<number> => (await metrics.writeRetries.get()).values[0]!.value;
  const refusals = async (): Promise<number> =>
    (await metrics.fencingRefusals.get()).values.find(({ labels }) => labels.at === 'mysql')!.value;
  return {
    lease,
    metrics,
    retries,
    refusals,
    writer: new LedgerWriter(
      { db, log: context.log, metrics, orderBatchMax: 1_000, paymentTimeoutMs: 900_000, orderEvents: false },
      lease,
    ),
  };
}

/** The sale's reservations as the holder of the lease reads them, oldest first. */
export async function reservationsOf(context: TestContext, sale: SaleRef, lease: Lease): Promise<HeldReservation[]> {
  const next = await context.commands.nextBatches(sale, lease.text, 1_000);
  return next!.batches.flatMap(({ reservations }) => reservations);
}

/** Sets `sold` in the ledger without a change in Redis, as only a person with SQL can do. */
export async function setSold(context: TestContext, sale: Sale, sold: number): Promise<void> {
  await context.db.updateTable('products').set({ sold }).where('id', '=', sale.id).execute();
}

export const statusesOf = (orders: readonly { status: string }[]): string[] => orders.map(({ status }) => status);
