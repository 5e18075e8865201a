import type { Queue } from 'bullmq';
import { RESERVATION_AHEAD_MS } from './reservation.ts';
import type { SaleRef } from '../sale/sale.ts';
import type { OutboxCommands } from './outbox-commands.ts';
import { writeOrders, type WriteOrdersJob } from './order-jobs.ts';

const BATCHES_MAX = 500;

/**
 * Adds a job for each of a sale's batches that have waited longer than `waitedMs`. It does so too
 * for batches with a time in the future: Redis's clock was set back after them. BullMQ ignores a
 * job whose id still exists; a second job of a batch finds nothing to do. The oldest batches are
 * enough: a worker that writes one order of a sale writes all of them.
 *
 * @returns the numbers of the batches
 */
export async function relaySale(
  deps: { readonly commands: OutboxCommands; readonly queue: (shard: number) => Queue<WriteOrdersJob> },
  sale: SaleRef,
  nowMs: number,
  waitedMs: number,
): Promise<string[]> {
  const batchNos = [
    ...(await deps.commands.batchesBefore(sale, nowMs - waitedMs, BATCHES_MAX)),
    ...(await deps.commands.batchesAfter(sale, nowMs + RESERVATION_AHEAD_MS, BATCHES_MAX)),
  ];
  if (batchNos.length > 0) await deps.queue(sale.shard).addBulk(batchNos.map((batchNo) => writeOrders(sale, batchNo)));
  return batchNos;
}
