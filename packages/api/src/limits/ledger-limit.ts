import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import { CallerLimit } from './caller-limit.ts';

/**
 * Takes one from the shopper's bucket. Call it before MySQL is read or written for a shopper.
 *
 * @throws Refusal `rate_limited`
 */
export type ChargeLedger = (shopper: string) => void;

/**
 * Limits the calls of one shopper that read or write MySQL, however many addresses they come from.
 * The buckets are in this process, so that the limit holds, and a shopper can pay, without Redis.
 */
export function ledgerLimit(
  config: Pick<Config, 'RATE_LIMIT_LEDGER_CAPACITY' | 'RATE_LIMIT_LEDGER_PER_SECOND'>,
): ChargeLedger {
  const limit = new CallerLimit({
    policy: 'ledger',
    capacity: config.RATE_LIMIT_LEDGER_CAPACITY,
    perSecond: config.RATE_LIMIT_LEDGER_PER_SECOND,
  });
  return (shopper) => {
    const refusal = limit.take(shopper);
    if (refusal !== undefined) throw new Refusal('rate_limited', refusal);
  };
}
