import { describe, expect, test } from 'vitest';
import { canMove, ORDER_STATUSES, ORDER_TRANSITIONS, type OrderStatus } from '../../src/order/order.ts';

/** Every status that can be reached from one, itself left out unless there is a way back. */
function reachable(from: OrderStatus): Set<OrderStatus> {
  const found = new Set<OrderStatus>();
  const open: OrderStatus[] = [...ORDER_TRANSITIONS[from]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    open.push(...ORDER_TRANSITIONS[next]);
  }
  return found;
}

describe('the life of an order', () => {
  test('has exactly the transitions of the contract', () => {
    expect(ORDER_TRANSITIONS).toEqual({
      queued: ['pending_payment', 'failed'],
      pending_payment: ['paid', 'cancelled', 'expired'],
      paid: ['refunded'],
      refunded: [],
      cancelled: [],
      expired: [],
      failed: [],
    });
  });

  test('allows the moves of the map and no other', () => {
    const legal = ORDER_STATUSES.flatMap((from) =>
      ORDER_STATUSES.filter((to) => canMove(from, to)).map((to) => `${from} → ${to}`),
    );
    expect(legal).toEqual([
      'queued → pending_payment',
      'queued → failed',
      'pending_payment → paid',
      'pending_payment → cancelled',
      'pending_payment → expired',
      'paid → refunded',
    ]);
  });

  test('begins queued and reaches every status', () => {
    expect(new Set(['queued', ...reachable('queued')])).toEqual(new Set(ORDER_STATUSES));
  });

  test('never comes back to a status it has left', () => {
    for (const status of ORDER_STATUSES) expect(reachable(status)).not.toContain(status);
  });

  test('never becomes live again once closed', () => {
    const live = new Set<OrderStatus>(['pending_payment', 'paid']);
    for (const status of ORDER_STATUSES.filter((one) => one !== 'queued' && !live.has(one))) {
      expect([...reachable(status)].filter((one) => live.has(one))).toEqual([]);
    }
  });
});
