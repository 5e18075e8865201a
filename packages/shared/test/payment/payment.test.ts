import { describe, expect, test } from 'vitest';
import {
  canMovePayment,
  newPaymentId,
  PAYMENT_STATUSES,
  PAYMENT_TRANSITIONS,
  type PaymentStatus,
} from '../../src/payment/payment.ts';

const MOVES: readonly (readonly [PaymentStatus, PaymentStatus])[] = [
  ['started', 'succeeded'],
  ['started', 'declined'],
  ['declined', 'succeeded'],
  ['succeeded', 'refund_pending'],
  ['refund_pending', 'refunded'],
  ['refunded', 'refund_pending'],
];

describe('the life of a payment', () => {
  test('has exactly the transitions of its map, and no other move is legal', () => {
    expect(PAYMENT_TRANSITIONS).toEqual({
      started: ['succeeded', 'declined'],
      declined: ['succeeded'],
      succeeded: ['refund_pending'],
      refund_pending: ['refunded'],
      refunded: ['refund_pending'],
    });
    for (const from of PAYMENT_STATUSES) {
      for (const to of PAYMENT_STATUSES) {
        const isLegal = MOVES.some(([leaves, enters]) => leaves === from && enters === to);
        expect({ from, to, isLegal: canMovePayment(from, to) }).toEqual({ from, to, isLegal });
      }
    }
  });

  test('received money is never lost: from `succeeded` every path leads to `refunded`', () => {
    expect(PAYMENT_TRANSITIONS.succeeded).toEqual(['refund_pending']);
    expect(PAYMENT_TRANSITIONS.refund_pending).toEqual(['refunded']);
    expect(PAYMENT_TRANSITIONS.refunded).toEqual(['refund_pending']);
  });
});

test('payment ids are unique, sort by time and fit their column', () => {
  const ids = Array.from({ length: 1_000 }, (_, i) => newPaymentId(1_700_000_000_000 + i));
  expect(new Set(ids).size).toBe(1_000);
  expect(ids.toSorted()).toEqual(ids);
  for (const id of ids) expect(id).toMatch(/^pay_[0-9A-Z]{26}$/);
});
