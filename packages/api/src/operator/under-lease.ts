import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import { LeaseLost } from '@flash-sale/shared/sale/lease.ts';

/**
 * The result of work under a sale's lease. If another process holds the lease, nothing was done,
 * and the caller should repeat the call.
 */
export async function held<Result>(work: Promise<Result | undefined>): Promise<Result> {
  const result = await lost(work);
  if (result === undefined) throw new Refusal('overloaded');
  return result;
}

/** Work that lost its lease may or may not be done. A repeat of the call shows which. */
async function lost<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof LeaseLost ? new Refusal('unavailable', { cause: error }) : error;
  }
}
