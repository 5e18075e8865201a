import type { Call } from '../history.ts';
import type { FinalReading, LedgerOrder, RoundRecord, SaleFacts } from './record.ts';

const LIVE = new Set(['pending_payment', 'paid']);

export const isLive = ({ status }: { readonly status: string }): boolean => LIVE.has(status);

/** An order number in an answer to a buyer. */
export interface Accepted {
  readonly order_no: string;
  readonly sale: number;
  readonly shopper: string;
  /** Every 202 with this number, in the order of the answers. */
  readonly answers: readonly Call[];
}

/** One sale of the record with everything known about it, by order number and by shopper. */
export interface SaleView {
  readonly facts: SaleFacts;
  readonly final: FinalReading;
  readonly orders: ReadonlyMap<string, LedgerOrder>;
  readonly buys: readonly Call[];
  readonly buysOf: ReadonlyMap<string, readonly Call[]>;
  /** By order number. If a number was given to two shoppers, it belongs to the first. */
  readonly accepted: ReadonlyMap<string, Accepted>;
  /** All calls of this sale. */
  readonly calls: readonly Call[];
  readonly polls: readonly Call[];
  /**
   * Numbers that Redis lost with its own data, as the design allows. They are not in the ledger, or
   * failed there.
   */
  readonly allowedLosses: ReadonlySet<string>;
}

export function viewsOf(record: RoundRecord): SaleView[] {
  return record.sales.map((facts) => {
    const final = record.finals.find(({ sale }) => sale === facts.id);
    if (final === undefined) throw new Error(`the record has no final reading of sale ${facts.id}`);
    const calls = record.calls.filter(({ sale }) => sale === facts.id);
    const buys = calls.filter(({ kind }) => kind === 'buy');
    const orders = new Map(final.orders.map((order) => [order.order_no, order]));
    const accepted = acceptedOf(buys);
    const view = {
      facts,
      final,
      orders,
      buys,
      buysOf: Map.groupBy(buys, ({ shopper }) => shopper),
      accepted,
      calls,
      polls: calls.filter(({ kind }) => kind === 'poll'),
    };
    const allowedLosses = new Set(
      [...accepted.values()]
        .filter((order) => isAllowedLoss(record, order, orders))
        .map(({ order_no: orderNo }) => orderNo),
    );
    return { ...view, allowedLosses };
  });
}

function acceptedOf(buys: readonly Call[]): Map<string, Accepted> {
  const accepted = new Map<string, { order_no: string; sale: number; shopper: string; answers: Call[] }>();
  for (const call of buys) {
    const orderNo = orderNoOf(call);
    if (orderNo === undefined) continue;
    const known = accepted.get(orderNo);
    if (known === undefined)
      accepted.set(orderNo, { order_no: orderNo, sale: call.sale, shopper: call.shopper, answers: [call] });
    else known.answers.push(call);
  }
  return accepted;
}

/** The order number of a 202. */
export function orderNoOf(call: Call): string | undefined {
  return call.status === 202 ? String(call.body?.['order_no']) : undefined;
}

export function codeOf(call: Call): string {
  const code = call.body?.['code'];
  return typeof code === 'string' ? code : '';
}

/**
 * Accepted before Redis lost its data, and not in the ledger, or failed there because its unit was
 * gone: promises 5 and 6 do not cover it.
 */
function isAllowedLoss(
  { strikes }: RoundRecord,
  { order_no: orderNo, answers }: Accepted,
  orders: ReadonlyMap<string, LedgerOrder>,
): boolean {
  const order = orders.get(orderNo);
  if (order !== undefined && order.status !== 'failed') return false;
  const firstMs = Math.min(...answers.map(({ sent_ms: sentMs }) => sentMs));
  return strikes.some(({ losesRedisData, healed_ms: healedMs }) => losesRedisData && firstMs <= healedMs);
}

/** Whether Redis lost its own data in the round. */
export const lostRedisData = ({ strikes }: RoundRecord): boolean =>
  strikes.some(({ losesRedisData }) => losesRedisData);
