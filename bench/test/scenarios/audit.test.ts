import { expect, test } from 'vitest';
import { findingsOf, type AuditReading } from '../../scenarios/audit.ts';

const clean: AuditReading = {
  units: 10,
  accepted: ['a', 'b'],
  orders: [
    { order_no: 'a', user_id: 'u1', status: 'pending_payment' },
    { order_no: 'b', user_id: 'u2', status: 'pending_payment' },
  ],
  owners: new Map([
    ['u1', 'a'],
    ['u2', 'b'],
  ]),
  available: 8,
  sold: 2,
};

test('a sale without a difference passes', () => {
  expect(findingsOf(clean)).toEqual([]);
});

test.each<[string, Partial<AuditReading>, RegExp]>([
  [
    'an accepted order that is not in the ledger',
    { accepted: ['a', 'b', 'lost'] },
    /1 accepted orders are not in the ledger/,
  ],
  ['an order that nobody was answered', { accepted: ['a'] }, /1 orders were never answered, such as b/],
  [
    'an accepted order that failed',
    { orders: [clean.orders[0]!, { ...clean.orders[1]!, status: 'failed' }] },
    /not in the ledger/,
  ],
  ['a unit that is gone', { available: 7 }, /available 7 \+ owners 2 is not 10/],
  ['more orders than units', { units: 1, available: -1 }, /2 live orders for 1 units/],
  ['a wrong sum', { sold: 3 }, /sold is 3/],
  [
    'an owner entry that names another order',
    {
      owners: new Map([
        ['u1', 'a'],
        ['u2', 'c'],
      ]),
    },
    /do not name/,
  ],
])('%s is found', (_what, change, finding) => {
  expect(findingsOf({ ...clean, ...change }).join('\n')).toMatch(finding);
});
