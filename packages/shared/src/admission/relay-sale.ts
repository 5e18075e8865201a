import type { Queue } from 'bullmq';
import { RESERVATION_AHEAD_MS } from './reservation.ts';
import type { SaleRef } from '../sale/sale.ts';
import type { OutboxCommands } from './outbox-commands.ts';
import { WRITE_ORDERS, writeOrdersOptions, type WriteOrdersJob } from './order-jobs.ts';

const ORDERS_MAX = 500;

/**
 * Adds the jobs of a sale's reservations that have waited longer than `waitedMs` again, under the
 * same ids. It does so too for reservations with a time in the future: Redis's clock was set back
 * after them. BullMQ ignores a job that still exists. The oldest reservations are enough: a worker
 * that writes one order of a sale writes all of them.
 *
 * @returns the ids of the jobs
 */
export async function relaySale(
  deps: { readonly commands: OutboxCommands; readonly queue: (shard: number) => Queue<WriteOrdersJob> },
  sale: SaleRef,
  nowMs: number,
  waitedMs: number,
): Promise<string[]> {
  const orderNos = [
    ...(await deps.commands.reservedBefore(sale, nowMs - waitedMs, ORDERS_MAX)),
    ...(await deps.commands.reservedAfter(sale, nowMs + RESERVATION_AHEAD_MS, ORDERS_MAX)),
  ];
  if (orderNos.length === 0) return [];
  const jobs = new Map<string, string[]>();
  for (const reservation of await deps.commands.reservations(sale, orderNos)) {
    if (reservation === undefined) continue;
    const job = jobs.get(reservation.jobId);
    if (job === undefined) jobs.set(reservation.jobId, [reservation.orderNo]);
    else job.push(reservation.orderNo);
  }
  await deps.queue(sale.shard).addBulk(
    [...jobs].map(([jobId, ofJob]) => ({
      name: WRITE_ORDERS,
      data: { shard: sale.shard, sale_id: sale.id, order_nos: ofJob },
      opts: writeOrdersOptions(jobId),
    })),
  );
  return [...jobs.keys()];
}
