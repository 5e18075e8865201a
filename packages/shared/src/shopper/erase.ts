import { randomBytes } from 'node:crypto';
import { Refusal } from '../platform/errors.ts';
import type { Db } from '../platform/mysql/client.ts';
import { lockSaleRow } from '../order/order-transitions.ts';
import { salesToKeep } from '../sale/products-table.ts';
import {
  findUnsettledOrder,
  renameShopper,
  renameSubject,
  salesOfShopper,
  type UnsettledOrder,
} from './shoppers-table.ts';
import type { Commands } from '../commands.ts';

export interface EraseDeps {
  readonly db: Db;
  readonly commands: Commands;
}

const REASONS: Readonly<Record<UnsettledOrder['why'], string>> = {
  unpaid: 'waits for payment',
  live: 'is live, and its sale has not been over for 24 hours',
  unit: 'has a unit that is on its way back',
  payment: 'has a payment that is being refunded or expired',
  event: 'has an order event that was not delivered. Retry or discard that event',
  archiving: 'belongs to a sale that is being archived',
};

/** How operators' calls on a shopper are recorded. */
export const subjectOf = (userId: string): string => `shopper ${userId}`;

/** A name that no shopper can have, since theirs have no spaces, and that says nothing of the one it stands for. */
export const newPseudonym = (): string => `erased ${randomBytes(10).toString('hex')}`;

/**
 * Whether nothing knows the shopper by name any more but rows that nothing reads their name from.
 *
 * @throws Refusal `invalid_state` that names the order which has to come to an end first
 */
export async function checkErasable({ db, commands }: EraseDeps, userId: string): Promise<void> {
  const unsettled = await findUnsettledOrder(db, userId);
  if (unsettled !== undefined) throw refusalOf(unsettled);
  // A unit that is held in Redis may be of an order that the ledger does not have yet.
  for (const sale of await salesToKeep(db)) {
    const order_no = await commands.ownedOrder(sale, userId);
    if (order_no !== undefined) throw refusalOf({ order_no, why: 'live' });
  }
}

/**
 * Puts a pseudonym in the place of a shopper's name, sale by sale: rows, prices, sums and the one live order per shopper stay as they
 * are. Safe to repeat: where it was cut short, the rest goes under the pseudonym of the next call.
 *
 * @returns how many orders were renamed
 * @throws Refusal `invalid_state` where an order has come to life since the check; what was renamed before that stays so
 */
export async function eraseShopper({ db }: EraseDeps, userId: string, pseudonym: string): Promise<number> {
  let orders = 0;
  for (const id of await salesOfShopper(db, userId)) {
    orders += await db
      .transaction()
      .setIsolationLevel('read committed')
      .execute(async (tx) => {
        await lockSaleRow(tx, id);
        const unsettled = await findUnsettledOrder(tx, userId, id);
        if (unsettled !== undefined) throw refusalOf(unsettled);
        return renameShopper(tx, id, userId, pseudonym);
      });
  }
  await renameSubject(db, subjectOf(userId), subjectOf(pseudonym));
  return orders;
}

function refusalOf({ order_no, why }: Pick<UnsettledOrder, 'order_no' | 'why'>): Refusal {
  return new Refusal('invalid_state', { detail: `The order ${order_no} ${REASONS[why]}` });
}
