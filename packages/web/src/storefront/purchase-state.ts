import { Refused, Unreachable, type Order, type Place } from '../client/client.ts';

/** Why the service has not answered as wanted, and when the next try comes, by its clock. */
export interface Trouble {
  readonly kind: 'too_fast' | 'busy' | 'not_ready' | 'unreachable';
  readonly untilMs: number;
}

/** An order that has been accepted; before the first poll only its number is known. */
export type KnownOrder = Pick<Order, 'order_no' | 'status'> & Partial<Order>;

/** The state of a purchase. */
export type PurchaseState =
  | { readonly at: 'idle'; readonly isOrderLost?: boolean }
  /** The shopper wants a unit, and the sale has not started. */
  | { readonly at: 'armed' }
  /** In the waiting room; without a place before the shopper has joined. */
  | { readonly at: 'room'; readonly place?: Place; readonly trouble?: Trouble }
  | { readonly at: 'asking'; readonly isSolving?: boolean; readonly trouble?: Trouble }
  /** `left`: how many units are left, fewer than the shopper wants. */
  | { readonly at: 'sold_out'; readonly keepsTrying: boolean; readonly left?: number | undefined }
  /** Waits until an operator resumes the sale. */
  | { readonly at: 'paused' }
  | { readonly at: 'ended' }
  | { readonly at: 'refused'; readonly error: Error }
  | {
      readonly at: 'order';
      readonly order: KnownOrder;
      /** A call about the order that the shopper has asked for, and that is not answered yet. */
      readonly doing?: 'paying' | 'cancelling' | undefined;
      readonly isPaymentLost?: boolean;
      readonly trouble?: Trouble;
    };

/** Whether there is nothing to wait for: an order, or a refusal. */
export function isOver(state: PurchaseState): boolean {
  if (state.at === 'sold_out') return !state.keepsTrying;
  return state.at === 'order' || state.at === 'ended' || state.at === 'refused';
}

export function troubleOf(error: Error): Trouble['kind'] {
  if (error instanceof Unreachable) return 'unreachable';
  const { code } = error as Refused;
  if (code === 'rate_limited') return 'too_fast';
  return code === 'not_ready' ? 'not_ready' : 'busy';
}
