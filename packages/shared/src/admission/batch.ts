import type { Reservation } from './reservation.ts';

/**
 * A batch is what one `admit` call accepted of a sale: the unit in which orders are stored, queued,
 * written and settled.
 */
export interface Batch {
  readonly batchNo: string;
  readonly reservations: readonly Reservation[];
}

/** A reservation, and whether its shopper's owner entry names it, so that it holds its units. */
export interface HeldReservation extends Reservation {
  readonly isHeld: boolean;
}

export interface HeldBatch extends Batch {
  readonly reservations: readonly HeldReservation[];
}

/**
 * Parses the record of a batch: `admitted_ms price_cents orders`, then a line per order,
 * `order_no user_id request_id[~traceparent][ quantity]`. No request id contains `~`.
 */
export function batchOf(batchNo: string, record: string): Batch {
  const [facts, ...lines] = record.split('\n');
  const [admittedMs, priceCents] = facts!.split(' ').map(Number) as [number, number];
  const reservations = lines.map((line) => {
    const [orderNo, userId, request, quantity = '1'] = line.split(' ') as [string, string, string, string?];
    const [requestId, traceparent] = request.split('~', 2) as [string, string?];
    return { orderNo, userId, quantity: Number(quantity), priceCents, admittedMs, batchNo, requestId, traceparent };
  });
  return { batchNo, reservations };
}

/** The line of an order in the record of its batch. It has a quantity unless that is 1. */
export function lineOfOrder(
  order: Pick<Reservation, 'orderNo' | 'userId' | 'quantity' | 'requestId' | 'traceparent'>,
): string {
  const line = `${order.orderNo} ${order.userId} ${requestText(order)}`;
  return order.quantity === 1 ? line : `${line} ${order.quantity}`;
}

const requestText = ({ requestId, traceparent }: Pick<Reservation, 'requestId' | 'traceparent'>): string =>
  traceparent === undefined ? requestId : `${requestId}~${traceparent}`;

/** What `settle` does with one batch. */
export interface Settlement {
  readonly batchNo: string;
  /** `admitted_ms price_cents` */
  readonly facts: string;
  /** The orders that the ledger has. */
  readonly settled: readonly string[];
  /** The orders that the ledger could not take. They stay in the outbox. */
  readonly stuck: readonly string[];
}

/** @param settledLine the line of an order in the settled record, if the ledger has the order */
export function settlementOf(
  { batchNo, reservations }: Batch,
  settledLine: (reservation: Reservation) => string | undefined,
): Settlement {
  const settled: string[] = [];
  const stuck: string[] = [];
  for (const reservation of reservations) {
    const line = settledLine(reservation);
    if (line === undefined) stuck.push(lineOfOrder(reservation));
    else settled.push(line);
  }
  const { admittedMs, priceCents } = reservations[0]!;
  return { batchNo, facts: `${admittedMs} ${priceCents}`, settled, stuck };
}
