/** The life of an order, written again: the checker shares no code with the service. */
const ORDER_MOVES: Readonly<Record<string, readonly string[]>> = {
  queued: ['pending_payment', 'failed'],
  pending_payment: ['paid', 'cancelled', 'expired'],
  paid: ['refunded'],
  refunded: [],
  cancelled: [],
  expired: [],
  failed: [],
};

/** The life of a payment, written again. */
const PAYMENT_MOVES: Readonly<Record<string, readonly string[]>> = {
  started: ['succeeded', 'declined'],
  declined: ['succeeded'],
  succeeded: ['refund_pending'],
  refund_pending: ['refunded'],
  refunded: [],
};

const CLOSED = new Set(['cancelled', 'expired', 'refunded']);

/** The order was live in the ledger, and is not any more. */
export const isClosed = (status: string): boolean => CLOSED.has(status);

export const isOrderMove = (from: string, to: string): boolean => ORDER_MOVES[from]?.includes(to) ?? false;

/** Whether the one status can lead to the other, directly or later; true for equal ones. */
const reaches = (moves: Readonly<Record<string, readonly string[]>>, from: string, to: string): boolean =>
  (from === to && from in moves) || (moves[from] ?? []).some((next) => reaches(moves, next, to));

export const orderCanBecome = (from: string, to: string): boolean => reaches(ORDER_MOVES, from, to);
export const paymentCanBecome = (from: string, to: string): boolean => reaches(PAYMENT_MOVES, from, to);
