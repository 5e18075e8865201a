import { randomBytes } from 'node:crypto';
import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { lockSaleRow } from '@flash-sale/shared/sale/lock-sale-row.ts';
import { salesToKeep } from '@flash-sale/shared/sale/products-table.ts';
import {
  findUnsettledOrder,
  renameShopper,
  renameSubject,
  salesOfShopper,
  type UnsettledOrder,
} from './shoppers-table.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';

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

/** The subject of operators' calls on a shopper, in their record. */
export const subjectOf = (userId: string): string => `shopper ${userId}`;

/**
 * A name that no shopper can have, since shoppers' ids contain no spaces, and that reveals nothing
 * about the shopper.
 */
export const newPseudonym = (): string => `erased ${randomBytes(10).toString('hex')}`;

/**
 * Checks that no part of the service still needs the shopper's name.
 *
 * @throws Refusal `invalid_state` with the order that must be closed or finished first
 */
export async function checkErasable({ db, commands }: EraseDeps, userId: string): Promise<void> {
  const unsettled = await findUnsettledOrder(db, userId);
  if (unsettled !== undefined) throw refusalOf(unsettled);
  // A unit held in Redis may belong to an order that is not in the ledger yet.
  for (const sale of await salesToKeep(db)) {
    const orderNo = await commands.ownedOrder(sale, userId);
    if (orderNo !== undefined) throw refusalOf({ orderNo, why: 'live' });
  }
}

/**
 * Replaces a shopper's id by a pseudonym, sale by sale. Rows, prices, counters and the limit of one
 * live order per shopper do not change. Safe to repeat: after an interruption the next call renames
 * the rest, with its own pseudonym.
 *
 * @returns how many orders were renamed
 * @throws Refusal `invalid_state` if an order became live after the check; earlier renames stay
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

function refusalOf({ orderNo, why }: Pick<UnsettledOrder, 'orderNo' | 'why'>): Refusal {
  return new Refusal('invalid_state', { detail: `The order ${orderNo} ${REASONS[why]}` });
}
