import { setTimeout as pause } from 'node:timers/promises';
import { CallFailed, type Call } from '@flash-sale/infra/ops/api.ts';
import type { Page, Sale } from '@flash-sale/web/operator-types';
import type { Visit } from './tally.ts';

/** Time for the last orders to be written and the last units to come back. */
const REST_MS_MAX = 30_000;
const LOOK_MS = 250;

/** A sale with its figures, which are of one instant. @throws CallFailed */
export async function readSale(call: Call, id: number): Promise<Sale> {
  // The list goes down from the id of its cursor.
  const { items } = await call<Page<Sale>>('GET', `products?limit=1&cursor=${id + 1}`);
  const [sale] = items;
  if (sale?.id !== id) throw new CallFailed(`There is no sale ${id}`);
  return sale;
}

/** The sale when every order is in the ledger and every returned unit is back, or after a while. */
export async function saleAtRest(call: Call, id: number): Promise<Sale> {
  const giveUpAt = performance.now() + REST_MS_MAX;
  for (;;) {
    const sale = await readSale(call, id);
    if ((sale.backlog === 0 && sale.held === sale.sold) || performance.now() > giveUpAt) return sale;
    await pause(LOOK_MS);
  }
}

/** A difference between the units that are free or held and those of the sale, in a sentence. */
export function gapIn({ available, held, seckill_stock: units }: Sale): string | undefined {
  if (available === null || held === null || available + held === units) return undefined;
  return `${available} units are left and ${held} are held, of ${units}`;
}

/**
 * The errors in the sums of a sale, in sentences.
 *
 * @param isOnlyOurs whether the crowd is alone in the sale
 * @param nowMs the service's time at which `sale` was read
 */
export function problemsIn(
  visits: readonly Visit[],
  sale: Sale,
  { isOnlyOurs, nowMs }: { readonly isOnlyOurs: boolean; readonly nowMs: number },
): string[] {
  const problems: string[] = [];
  const gap = gapIn(sale);
  if (gap !== undefined) problems.push(`${gap}.`);
  if (sale.sold > sale.seckill_stock) problems.push(`${sale.sold} units are sold of ${sale.seckill_stock}.`);
  if (sale.held !== sale.sold) {
    problems.push(`Redis holds ${sale.held ?? 'an unknown number of'} units, and ${sale.sold} are sold in MySQL.`);
  }
  problems.push(...identityProblems(visits));

  const live = visits
    .flatMap(({ order }) => order ?? [])
    .filter(({ status }) => status === 'paid' || status === 'pending_payment');
  const certain = unitsOf(
    live.filter((order) => order.status === 'paid' || Date.parse(order.expires_at ?? '') > nowMs),
  );
  if (certain > sale.sold) problems.push(`The crowd holds ${certain} units, and only ${sale.sold} are sold.`);
  const unknown = visits.filter(({ ending }) => ending === 'gave_up').length;
  const ours = unitsOf(live);
  if (isOnlyOurs && sale.sold > ours + unknown) {
    problems.push(`${sale.sold} units are sold, and the crowd holds only ${ours}.`);
  }
  return problems;
}

const unitsOf = (orders: readonly { readonly quantity: number }[]): number =>
  orders.reduce((units, { quantity }) => units + quantity, 0);

/** One order for each shopper, and one shopper for each order. */
function identityProblems(visits: readonly Visit[]): string[] {
  const owners = new Map<string, string>();
  const problems: string[] = [];
  for (const { userId, orderNos, order } of visits) {
    if (orderNos.length > 1) problems.push(`${userId} got ${orderNos.length} orders: ${orderNos.join(', ')}.`);
    if (order !== undefined && order.user_id !== userId) {
      problems.push(`${userId} got the order ${order.order_no} of ${order.user_id}.`);
    }
    for (const orderNo of orderNos) {
      const other = owners.get(orderNo);
      if (other !== undefined) problems.push(`${other} and ${userId} got the same order ${orderNo}.`);
      owners.set(orderNo, userId);
    }
  }
  return problems;
}
