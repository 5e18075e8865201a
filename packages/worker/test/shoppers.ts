import { batchNoOf, newBatchNo, newOrderNumber } from '@flash-sale/shared/order/order-number.ts';
import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';
import { recordToken, untilNextMs } from '@flash-sale/shared/testing/buying.ts';
import type { OrderWriter } from '../src/order-writer/order-writer.ts';
import type { SaleWriter } from '../src/order-writer/sale-writer.ts';
import type { TestContext } from '@flash-sale/shared/testing/support.ts';

const UNLIMITED = 1_000_000;
const MICRO_BATCH_MAX = 100;

/** `count` shoppers of one test; `name` distinguishes them from another test's. */
export function shoppers(count: number, name = 'shopper'): string[] {
  return Array.from({ length: count }, (_, i) => `${name}-${i}`);
}

/**
 * Buys a unit for each shopper through the real admission script, so that owner entries,
 * reservations and `available` are what the api leaves behind when it is killed before it adds the
 * job.
 *
 * @param numberOf the number of the batch, and so the id of its job, if a test needs to name it
 * @returns the order numbers, in the order of the shoppers
 */
export async function admitAll(
  { commands }: Pick<TestContext, 'commands'>,
  sale: SaleRef,
  userIds: readonly string[],
  numberOf?: string,
): Promise<string[]> {
  await Promise.all(userIds.map((userId) => recordToken({ commands }, sale, userId, tokenOf(userId))));
  await untilNextMs({ commands }, sale);
  const admitted: string[] = [];
  for (let from = 0; from < userIds.length; from += MICRO_BATCH_MAX) {
    const { nowMs, historyId } = await commands.clock(sale.shard);
    const batchNo = numberOf ?? newBatchNo(nowMs);
    const items = userIds.slice(from, from + MICRO_BATCH_MAX).map((userId) => ({
      userId,
      orderNo: newOrderNumber(sale, batchNo),
      quantity: 1,
      token: tokenOf(userId),
      requestId: `request-${userId}`,
    }));
    const outcomes = await commands.admit(
      sale,
      {
        historyId,
        deadlineMs: nowMs + 10_000,
        batchNo,
        backlogMax: UNLIMITED,
        shardBacklogMax: UNLIMITED,
        limits: {
          globalCapacity: UNLIMITED,
          globalPerSecond: UNLIMITED,
          userCapacity: UNLIMITED,
          userPerSecond: UNLIMITED,
        },
      },
      items,
    );
    const refused = outcomes.find(({ outcome }) => outcome !== 'accepted');
    if (refused !== undefined) throw new Error(`a shopper of the test was refused: ${refused.outcome}`);
    admitted.push(...items.map(({ orderNo }) => orderNo));
  }
  return admitted;
}

/** Redis only compares a seckill token with the recorded one, so it needs no signature here. */
function tokenOf(userId: string): string {
  return `token-of-${userId}`;
}

/** Runs a job for each batch of these orders. */
export async function settleOrders(writer: Pick<SaleWriter, 'settle'>, orderNos: readonly string[]): Promise<void> {
  await Promise.all([...new Set(orderNos.map(batchNoOf))].map((batchNo) => writer.settle(batchNo)));
}

/** The same by the writer of all sales. */
export const settleOrdersOf = (writer: OrderWriter, sale: SaleRef, orderNos: readonly string[]): Promise<void> =>
  settleOrders({ settle: (batchNo) => writer.settle(sale, batchNo) }, orderNos);
