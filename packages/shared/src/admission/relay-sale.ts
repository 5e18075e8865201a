import type { Queue } from 'bullmq';
import { RESERVATION_AHEAD_MS } from '../order/order.ts';
import type { SaleRef } from '../sale/sale.ts';
import type { Commands } from '../commands.ts';
import { WRITE_ORDERS, writeOrdersOptions, type WriteOrdersJob } from './order-jobs.ts';

const ORDERS_MAX = 500;

/**
 * Offers the jobs of a sale's reservations that have waited for longer than `waitedMs` to the queue again, under their own ids, and those of
 * reservations that were admitted in the future: Redis's clock was set back since. BullMQ leaves a job that is still there alone. The oldest are enough: whoever writes one order of a sale writes them all.
 *
 * @returns the ids of the jobs
 */
export async function relaySale(
  deps: { readonly commands: Commands; readonly queue: (shard: number) => Queue<WriteOrdersJob> },
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
    const job = jobs.get(reservation.job_id);
    if (job === undefined) jobs.set(reservation.job_id, [reservation.order_no]);
    else job.push(reservation.order_no);
  }
  await deps.queue(sale.shard).addBulk(
    [...jobs].map(([jobId, order_nos]) => ({
      name: WRITE_ORDERS,
      data: { shard: sale.shard, sale_id: sale.id, order_nos },
      opts: writeOrdersOptions(jobId),
    })),
  );
  return [...jobs.keys()];
}
